"""The OpenAPI document: made of the areas' tables, the views' annotations and docstrings, and the forms.

In: areas of routes. Out: blueprints whose views get their forms filled; the document, which names every answer that a
route may give, the role it needs, and the headers that matter. The library collects operations and forms; what it
cannot say is added here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from inspect import getdoc
from typing import Final, NoReturn, cast, get_type_hints

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import ValidationError
from pydantic.json_schema import JsonSchemaValue

from admin_api.context import JSON, Area, Route, View
from admin_api.exposition import DISTRIBUTION
from admin_api.problems import MEDIA_TYPE
from admin_api.schemas.problem import Problem
from admin_api.schemas.shape import Omissible, Shape, refused

SECURITY: Final = "bearer"
Document = JsonSchemaValue
YAML: Final = "application/yaml"
_ABOUT: Final = (
    "Reads DLMS/COSEM electricity meters and delivers every reading. Every path below /api is there below /api/v1 as"
    " well. Each operation names in x-required-role the role that it needs: viewer, operator or admin, each with what"
    " those before it may; `open` needs none. Errors are problems (RFC 9457) that name the field at fault."
)
_WAYS: Final[Mapping[str, str]] = {"GET": "get", "POST": "post", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}
_LIST: Final = {"type": "array", "items": {"type": "object"}}
_OF_BODY: Final = (400, 413, 415)
_ALWAYS: Final = (422, 429, 500, 503)  # a query that nobody looks at is refused everywhere, and who comes too often
_SENT: Final[Mapping[str, str]] = {
    "ETag": "The revision that the answer shows; for If-Match and If-None-Match.",
    "Location": "Where what was made is found.",
    "Retry-After": "Seconds after which it may be tried again.",
    "WWW-Authenticate": "How to authenticate.",
}
_HEEDED: Final[Mapping[str, str]] = {
    "If-Match": "An ETag: the change is made only to this revision, else 412.",
    "If-None-Match": "An ETag: 304 without content if it is still the revision.",
}
_WITH_PROBLEMS: Final[Mapping[int, str]] = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def new_app(check_answers: bool) -> OpenAPI:
    """Return the application without routes; with ``check_answers`` (in tests) each answer has to fit its form."""
    return OpenAPI(
        "admin_api",
        info=Info(title="dlms-bridge", version=version(DISTRIBUTION), description=_ABOUT),
        security_schemes={SECURITY: {"type": "http", "scheme": "bearer", "description": "A token: dbt_…"}},
        doc_ui=False,
        static_folder=None,
        validation_error_callback=_refuse,
        validate_response=check_answers,
        validate_response_callback=_checked,
    )


def blueprint(area: Area, *, described: bool = False) -> APIBlueprint:
    """Return an area's routes; endpoints are the operations' names. Only what is ``described`` is in a document."""
    made = APIBlueprint(area.name, __name__, abp_tags=[Tag(name=area.name, description=area.about)])
    for route in area.routes:
        summary, description = _said(route.view)
        register = cast("Callable[..., Callable[[View], View]]", getattr(made, _WAYS[route.method]))
        register(
            route.path,
            endpoint=route.operation,
            operation_id=route.operation,
            summary=summary,
            description=description,
            responses=_responses(route),
            security=[] if route.role is None else [{SECURITY: []}],
            openapi_extensions={"x-required-role": "open" if route.role is None else str(route.role)},
            doc_ui=described and route.shown,
        )(route.view)
    return made


def document(areas: Sequence[Area], prefix: str) -> Document:
    """Return the whole document. It takes a tenth of a second, and an application of its own: nobody else needs it."""
    app = new_app(check_answers=False)
    for area in areas:
        app.register_api(blueprint(area, described=True), url_prefix=prefix if area.prefixed else None)
    routes = {route.operation: route for area in areas for route in area.routes}
    found = cast("Document", app.api_doc)
    schemas = cast("dict[str, Document]", found["components"]["schemas"])
    schemas.pop(app.validation_error_model.__name__, None)
    _define(schemas, [Problem, *_forms(routes)])
    for path in found["paths"].values():
        for operation in path.values():
            _complete(operation, routes[operation["operationId"]])
    found["servers"] = [{"url": "/", "description": "This installation"}]
    return found


def takes(view: View, name: str) -> type[Shape] | None:
    """Return the form that a view takes by this name."""
    return cast("type[Shape] | None", get_type_hints(view).get(name))


def _said(view: View) -> tuple[str, str]:
    text = (getdoc(view) or view.__name__).strip()
    first, _, rest = text.partition("\n")
    return first.removesuffix("."), rest.strip()


def _responses(route: Route) -> dict[int, object]:
    found: dict[int, object] = {}
    for status, form in route.answers.items():
        is_json = form is not None and route.media == JSON
        found[status] = form if is_json else _plain(route, status)
    return {status: _problem(status) for status in sorted(_problems(route))} | found


def _plain(route: Route, status: int) -> Document:
    made: Document = {"description": HTTPStatus(status).phrase}
    if status not in {204, 304}:
        made["content"] = {route.media: {"schema": {"type": "string"}}}
    return made


def _problem(status: int) -> Document:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _problems(route: Route) -> set[int]:
    hints = get_type_hints(route.view)
    found = {*route.refuses, *_ALWAYS}
    if route.role is not None:
        found |= {401, 403}
    if "body" in hints or "raw" in hints:
        found |= set(_OF_BODY)
    if "path" in hints:
        found.add(404)
    if "If-Match" in route.heeds:
        found.add(412)
    return found


def _complete(operation: Document, route: Route) -> None:
    """Add what the library has no words for."""
    _complete_request(operation, route)
    responses = operation["responses"]
    for media in route.also:
        schema = _LIST if media in {JSON, YAML} else {"type": "string"}
        responses["200"]["content"][media] = {"schema": schema}
    for status in route.answers:
        if status >= HTTPStatus.BAD_REQUEST:  # an answer of its own, or a problem: the media type tells
            responses[str(status)]["content"] |= _problem(status)["content"]
    for status, response in responses.items():
        names = route.sends if int(status) < HTTPStatus.BAD_REQUEST else ()
        if int(status) in _WITH_PROBLEMS:
            names = (_WITH_PROBLEMS[int(status)],)
        if names:
            response["headers"] = {name: _header(name) for name in names}


def _complete_request(operation: Document, route: Route) -> None:
    """Add the headers that are heeded, and whether a body may be left out."""
    for name in route.heeds:
        parameter = {"name": name, "in": "header", "description": _HEEDED[name], "schema": {"type": "string"}}
        operation.setdefault("parameters", []).append(parameter)
    body = takes(route.view, "body")
    if body is not None:
        operation["requestBody"]["required"] = not issubclass(body, Omissible)
    if takes(route.view, "raw"):
        operation["requestBody"]["required"] = True
        operation["requestBody"]["content"].setdefault(JSON, {})["schema"] = _LIST


def _header(name: str) -> Document:
    return {"description": _SENT[name], "schema": {"type": "string"}}


def _forms(routes: Mapping[str, Route]) -> Iterator[type[Shape]]:
    for route in routes.values():
        body = takes(route.view, "body")
        if body is not None:
            yield body
        yield from (form for form in route.answers.values() if form is not None)


def _define(schemas: dict[str, Document], forms: list[type[Shape]]) -> None:
    """Put the forms' own JSON schemas in place of the library's, which drop keywords that they do not know."""
    for form in forms:
        whole = form.model_json_schema()
        schemas.update(cast("dict[str, Document]", whole.get("$defs", {})))
        schemas[form.__name__] = {name: value for name, value in whole.items() if name != "$defs"}


def _refuse(error: ValidationError) -> NoReturn:
    raise refused(error) from None


def _checked(response: Response, answers: Mapping[object, object]) -> Response:
    """Return a response whose JSON fits its form; raise what is wrong with it. For tests alone."""
    expected = answers.get(response.status_code, ...)
    if expected is ...:
        raise AssertionError(f"{response.status_code} is not among {list(answers)}")
    if isinstance(expected, type) and issubclass(expected, Shape) and response.mimetype == JSON:
        expected.model_validate_json(response.get_data())
    return response
