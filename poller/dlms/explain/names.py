"""Names of classes and of well-known objects (IEC 62056-6-1 and -6-2). Data only.

Goes in: a class number, a logical name. Comes out: a name in plain words, or an empty text.
"""

from typing import Final

from common.obis import Obis

CLASSES: Final = {
    1: "Data", 3: "Register", 4: "Extended register", 5: "Demand register", 6: "Register activation",
    7: "Profile generic", 8: "Clock", 9: "Script table", 10: "Schedule", 11: "Special days table",
    12: "Association SN", 15: "Association LN", 17: "SAP assignment", 18: "Image transfer",
    19: "IEC local port setup", 20: "Activity calendar", 21: "Register monitor", 22: "Single action schedule",
    23: "IEC HDLC setup", 24: "IEC twisted pair setup", 25: "M-Bus slave port setup", 26: "Utility tables",
    27: "Modem configuration", 28: "Auto answer", 29: "Auto connect", 30: "Data protection", 40: "Push setup",
    41: "TCP-UDP setup", 42: "IPv4 setup", 43: "MAC address setup", 44: "PPP setup", 45: "GPRS modem setup",
    46: "SMTP setup", 47: "GSM diagnostic", 48: "IPv6 setup", 61: "Register table", 62: "Compact data",
    63: "Status mapping", 64: "Security setup", 65: "Parameter monitor", 67: "Sensor manager", 68: "Arbitrator",
    70: "Disconnect control", 71: "Limiter", 72: "M-Bus client", 74: "M-Bus master port setup", 111: "Account",
    112: "Credit", 113: "Charge", 115: "Token gateway", 122: "Function control", 124: "Communication port protection",
    151: "LTE monitoring",
}  # fmt: skip

_ANY: Final = -1
# value groups C, D, E of abstract objects (A is 0), and their names; the first row that fits counts
_ABSTRACT: Final = (
    ((1, 0, 0), "clock"), ((2, 0, 0), "modem configuration"), ((10, 0, 0), "global meter reset script"),
    ((10, 0, 1), "MDI reset script"), ((10, 0, 100), "tariffication script"), ((10, 0, 106), "disconnect script"),
    ((10, 0, _ANY), "script table"), ((11, 0, _ANY), "special days"), ((13, 0, _ANY), "activity calendar"),
    ((15, 0, _ANY), "single action schedule"), ((16, 1, _ANY), "register monitor"), ((17, 0, _ANY), "limiter"),
    ((20, 0, _ANY), "optical port setup"), ((21, 0, _ANY), "readout list"), ((22, 0, 0), "HDLC setup"),
    ((24, 1, 0), "M-Bus client"), ((24, 2, _ANY), "M-Bus value"), ((25, 0, 0), "TCP-UDP setup"),
    ((25, 1, 0), "IPv4 setup"), ((25, 2, 0), "MAC address"), ((25, 3, 0), "PPP setup"), ((25, 4, 0), "GPRS setup"),
    ((25, 6, 0), "GSM diagnostic"), ((25, 9, _ANY), "push setup"), ((40, 0, _ANY), "association"),
    ((41, 0, 0), "SAP assignment"), ((42, 0, 0), "logical device name"), ((43, 0, _ANY), "security setup"),
    ((43, 1, _ANY), "invocation counter"), ((44, 0, _ANY), "image transfer"), ((94, _ANY, _ANY), "country-specific"),
    ((96, 1, 0), "device id 1 (serial number)"), ((96, 1, _ANY), "device id"), ((96, 2, _ANY), "parameter changes"),
    ((96, 3, 10), "disconnect control"), ((96, 3, _ANY), "input and output control"),
    ((96, 4, _ANY), "control signals"), ((96, 5, _ANY), "operating status"), ((96, 6, _ANY), "battery"),
    ((96, 7, _ANY), "power failures"), ((96, 8, _ANY), "operating time"), ((96, 10, _ANY), "status register"),
    ((96, 11, _ANY), "event code"), ((96, 12, _ANY), "communication port log"), ((96, 13, _ANY), "consumer message"),
    ((96, 14, _ANY), "active tariff"), ((96, 15, _ANY), "event counter"), ((97, 97, _ANY), "error register"),
    ((97, 98, _ANY), "alarm register"), ((98, 1, _ANY), "billing profile"), ((98, 2, _ANY), "billing profile 2"),
    ((99, 1, _ANY), "load profile 1"), ((99, 2, _ANY), "load profile 2"), ((99, 97, _ANY), "power failure log"),
    ((99, 98, _ANY), "event log"),
)  # fmt: skip
_ELECTRICITY: Final = (
    ((0, 0, _ANY), "electricity id"), ((0, 1, 0), "billing period counter"), ((0, 2, 0), "firmware version"),
    ((0, 2, _ANY), "program version"), ((0, 3, _ANY), "output pulse constant"), ((0, 4, _ANY), "ratio"),
    ((0, 8, 0), "demand period"), ((0, 8, 4), "load profile 1 recording interval"),
    ((0, 8, _ANY), "recording interval"), ((0, 9, 1), "time"), ((0, 9, 2), "date"), ((94, _ANY, _ANY),
    "country-specific"), ((98, 1, _ANY), "billing profile"), ((99, 1, _ANY), "load profile 1"),
    ((99, 2, _ANY), "load profile 2"), ((99, 98, _ANY), "event log"),
)  # fmt: skip
_QUANTITIES: Final = {
    1: "active {} import", 2: "active {} export", 3: "reactive {} import", 4: "reactive {} export",
    5: "reactive {} Q1", 6: "reactive {} Q2", 7: "reactive {} Q3", 8: "reactive {} Q4", 9: "apparent {} import",
    10: "apparent {} export", 11: "current", 12: "voltage", 13: "power factor", 14: "frequency",
    15: "active {} absolute", 16: "active {} net", 17: "active {} Q1", 18: "active {} Q2", 19: "active {} Q3",
    20: "active {} Q4",
}  # fmt: skip
_OTHERS: Final = {81: "phase angle", 82: "unitless quantity", 90: "sum of currents", 91: "neutral current",
                  92: "neutral voltage"}  # fmt: skip
_ENERGY: Final = {8, 9, 10, 17, 18, 19, 20, 29, 30, 58, 59, 60}
_PROCESSING: Final = {
    2: ", cumulative maximum", 3: ", minimum", 4: ", demand", 5: ", last demand", 6: ", maximum demand", 7: "",
    8: "", 9: ", billing period", 12: ", cumulative maximum 2", 13: ", minimum 2", 14: ", demand 2",
    15: ", last demand 2", 16: ", maximum demand 2", 24: ", average", 26: ", maximum demand 3", 27: ", average",
    29: ", interval",
}  # fmt: skip
_MAXIMA: Final = {2, 6, 12, 16, 26}
_PHASE_FIRST: Final = 21
_PHASE_LAST: Final = 80


def class_name(class_id: int) -> str:
    """Return an interface class's name, its number where the standard has none."""
    return CLASSES.get(class_id, f"class {class_id}")


def object_name(obis: Obis) -> str:
    """Return what a logical name stands for; empty when it is not well known."""
    table = {0: _ABSTRACT, 1: _ELECTRICITY}.get(obis.a, ())
    groups = (obis.c, obis.d, obis.e)
    for row, name in table:
        if all(wanted in {_ANY, found} for wanted, found in zip(row, groups, strict=True)):
            return name
    return _quantity(obis) if obis.a == 1 else ""


def _quantity(obis: Obis) -> str:
    """Return the name of an electrical quantity: what, which phase, how processed, which tariff (IEC 62056-6-1)."""
    what, phase = _OTHERS.get(obis.c, ""), ""
    if not what and obis.c <= _PHASE_LAST:
        what = _QUANTITIES.get((obis.c - 1) % 20 + 1, "")
        phase = f" L{(obis.c - 1) // 20}" if obis.c >= _PHASE_FIRST else ""
    if not what or obis.d not in _PROCESSING:
        return ""
    tariff = f", tariff {obis.e}" if obis.e and obis.d in _ENERGY | _MAXIMA else ""
    return what.format("energy" if obis.d in _ENERGY else "power") + phase + _PROCESSING[obis.d] + tariff


def named(obis: Obis) -> str:
    """Return a logical name, and in parentheses what it stands for."""
    name = object_name(obis)
    return f"{obis} ({name})" if name else str(obis)
