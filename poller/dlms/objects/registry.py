"""Which classes are read typed, and by what: for commands that are given an object and want to know all of it.

Goes in: a class id. Comes out: its name, its attributes and methods by name, and its reader, where there is one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from common.obis import Obis
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking, get
from poller.dlms.objects.association_ln import read_association_ln
from poller.dlms.objects.association_sn import read_short_list
from poller.dlms.objects.clock import read_clock
from poller.dlms.objects.disconnect import read_disconnect_control
from poller.dlms.objects.image import read_image_transfer
from poller.dlms.objects.limiter import read_limiter
from poller.dlms.objects.profile_layout import read_layout
from poller.dlms.objects.register import read_demand_register, read_extended_register, read_register
from poller.dlms.objects.security_setup import read_security_setup

Reader = Callable[[Asking, Obis], Exchange[object]]

_DATA: Final = 1


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """A class of the standard as far as it is known here; names begin with attribute 1 and method 1."""

    name: str
    reader: Reader | None = None
    attributes: tuple[str, ...] = ("logical_name",)
    methods: tuple[str, ...] = ()

    def attribute_name(self, attribute: int) -> str | None:
        """Return an attribute's name."""
        return _item(self.attributes, attribute)

    def method_name(self, method: int) -> str | None:
        """Return a method's name."""
        return _item(self.methods, method)


def interface_class(class_id: int) -> InterfaceClass | None:
    """Return what is known of a class."""
    return CLASSES.get(class_id)


def read_object(conversation: Asking, class_id: int, obis: Obis) -> Exchange[object | None]:
    """Return an object, typed; None when there is no reader for its class."""
    known = CLASSES.get(class_id)
    if known is None or known.reader is None:
        return None
    return (yield from known.reader(conversation, obis))


def read_data(conversation: Asking, obis: Obis) -> Exchange[Data]:
    """Return what a Data object holds (IEC 62056-6-2, 4.3.1)."""
    return (yield from get(conversation, AttributeRef(_DATA, obis, 2)))


def _item(names: tuple[str, ...], number: int) -> str | None:
    return names[number - 1] if 0 < number <= len(names) else None


def _names(text: str) -> tuple[str, ...]:
    return ("logical_name", *text.split())


CLASSES: Final[Mapping[int, InterfaceClass]] = {
    1: InterfaceClass("Data", read_data, _names("value")),
    3: InterfaceClass("Register", read_register, _names("value scaler_unit"), ("reset",)),
    4: InterfaceClass(
        "Extended register",
        read_extended_register,
        _names("value scaler_unit status capture_time"),
        ("reset",),
    ),
    5: InterfaceClass(
        "Demand register",
        read_demand_register,
        _names(
            "current_average_value last_average_value scaler_unit status capture_time start_time_current period "
            "number_of_periods"
        ),
        ("reset", "next_period"),
    ),
    6: InterfaceClass("Register activation"),
    7: InterfaceClass(
        "Profile generic",
        read_layout,
        _names("buffer capture_objects capture_period sort_method sort_object entries_in_use profile_entries"),
        ("reset", "capture"),
    ),
    8: InterfaceClass(
        "Clock",
        read_clock,
        _names(
            "time time_zone status daylight_savings_begin daylight_savings_end daylight_savings_deviation "
            "daylight_savings_enabled clock_base"
        ),
        (
            "adjust_to_quarter",
            "adjust_to_measuring_period",
            "adjust_to_minute",
            "adjust_to_preset_time",
            "preset_adjusting_time",
            "shift_time",
        ),
    ),
    9: InterfaceClass("Script table", None, _names("scripts"), ("execute",)),
    10: InterfaceClass("Schedule"),
    11: InterfaceClass("Special days table"),
    12: InterfaceClass(
        "Association SN",
        read_short_list,
        _names("object_list access_rights_list security_setup_reference user_list current_user"),
    ),
    15: InterfaceClass(
        "Association LN",
        read_association_ln,
        _names(
            "object_list associated_partners_id application_context_name xdlms_context_info "
            "authentication_mechanism_name secret association_status security_setup_reference user_list current_user"
        ),
        (
            "reply_to_hls_authentication",
            "change_hls_secret",
            "add_object",
            "remove_object",
            "add_user",
            "remove_user",
        ),
    ),
    17: InterfaceClass("SAP assignment"),
    18: InterfaceClass(
        "Image transfer",
        read_image_transfer,
        _names(
            "image_block_size image_transferred_blocks_status image_first_not_transferred_block_number "
            "image_transfer_enabled image_transfer_status image_to_activate_info"
        ),
        ("image_transfer_initiate", "image_block_transfer", "image_verify", "image_activate"),
    ),
    19: InterfaceClass("IEC local port setup"),
    20: InterfaceClass("Activity calendar"),
    21: InterfaceClass("Register monitor"),
    22: InterfaceClass("Single action schedule"),
    23: InterfaceClass("IEC HDLC setup"),
    24: InterfaceClass("IEC twisted pair setup"),
    25: InterfaceClass("M-Bus slave port setup"),
    26: InterfaceClass("Utility tables"),
    27: InterfaceClass("Modem configuration"),
    28: InterfaceClass("Auto answer"),
    29: InterfaceClass("Auto connect"),
    30: InterfaceClass("COSEM data protection"),
    40: InterfaceClass("Push setup"),
    41: InterfaceClass("TCP-UDP setup"),
    42: InterfaceClass("IPv4 setup"),
    43: InterfaceClass("MAC address setup"),
    44: InterfaceClass("PPP setup"),
    45: InterfaceClass("GPRS modem setup"),
    47: InterfaceClass("GSM diagnostic"),
    48: InterfaceClass("IPv6 setup"),
    61: InterfaceClass("Register table"),
    62: InterfaceClass("Compact data"),
    63: InterfaceClass("Status mapping"),
    64: InterfaceClass(
        "Security setup",
        read_security_setup,
        _names("security_policy security_suite client_system_title server_system_title certificates"),
        (
            "security_activate",
            "key_transfer",
            "key_agreement",
            "generate_key_pair",
            "generate_certificate_request",
            "import_certificate",
            "export_certificate",
            "remove_certificate",
        ),
    ),
    65: InterfaceClass("Parameter monitor"),
    67: InterfaceClass("Sensor manager"),
    68: InterfaceClass("Arbitrator"),
    70: InterfaceClass(
        "Disconnect control",
        read_disconnect_control,
        _names("output_state control_state control_mode"),
        ("remote_disconnect", "remote_reconnect"),
    ),
    71: InterfaceClass(
        "Limiter",
        read_limiter,
        _names(
            "monitored_value threshold_active threshold_normal threshold_emergency min_over_threshold_duration "
            "min_under_threshold_duration emergency_profile emergency_profile_group_id_list emergency_profile_active "
            "actions"
        ),
    ),
    72: InterfaceClass("M-Bus client"),
    111: InterfaceClass("Account"),
    112: InterfaceClass("Credit"),
    113: InterfaceClass("Charge"),
    115: InterfaceClass("Token gateway"),
    122: InterfaceClass("Function control"),
    123: InterfaceClass("Array manager"),
    124: InterfaceClass("Communication port protection"),
}
