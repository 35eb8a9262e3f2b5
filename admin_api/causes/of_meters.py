"""What may be the matter between us and a meter, from the outside in, and with what is read from it. A table."""

from typing import Final

from admin_api.causes.cause import Cause, Priority

OF_METERS: Final = (
    Cause(
        "name_unresolved",
        Priority.HIGH,
        "the meter's host name has no address",
        "the name does not exist, or the name server did not answer in time",
        ("resolve the name on this host: getent hosts NAME", "correct the name, or give the IP address: meterctl edit"),
        10,
    ),
    Cause(
        "no_route",
        Priority.HIGH,
        "there is no way to the meter's network",
        "this host or a router says that the address cannot be reached: a route, a VPN or a router is missing",
        (
            "look for the route: ip route get ADDRESS",
            "check the VPN or modem and the router of that site",
            "when several meters of one network are named here, begin with what they share",
        ),
        30,
    ),
    Cause(
        "no_answer",
        Priority.HIGH,
        "nothing answers at the meter's address",
        "the connection request is neither accepted nor refused: power, cable, modem, a firewall, or another address",
        (
            "ping the address and the router before it",
            "check power and link light of the meter or its converter",
            "check firewall and address: meterctl status",
        ),
        30,
    ),
    Cause(
        "refused",
        Priority.HIGH,
        "the host refuses the connection",
        "the host is there and nobody listens at this port: wrong port, or the meter serves another client just now",
        (
            "compare the port with the meter's or converter's settings (3333 for HDLC, 4059 for WRAPPER is usual)",
            "look whether another program holds the meter: it serves one client at a time",
            "restart the converter or modem if its service has ended",
        ),
        15,
    ),
    Cause(
        "no_ua",
        Priority.HIGH,
        "the connection opens and the meter says nothing",
        "no answer to the first request (HDLC: no UA to SNRM): wrong HDLC address or transport, wrong baud rate or "
        "wiring behind the converter, or another client's session is still open in the meter",
        (
            "check address and transport: server_logical, server_physical, address_size, hdlc or wrapper",
            "check baud rate, parity and the wires A and B behind the converter",
            "leave the meter alone for its inactivity timeout (three minutes is usual), then meterctl test ID",
            "look at the frames: meterctl diagnose ID",
        ),
        30,
    ),
    Cause(
        "link_refused",
        Priority.HIGH,
        "the meter refuses the link (DM)",
        "it answers SNRM with DM or FRMR: another client's session is open, or it does not serve this client address",
        (
            "end the other client, or wait for the meter's inactivity timeout",
            "check the client's SAP: meterctl edit ID --client-id",
        ),
        15,
    ),
    Cause(
        "no_association",
        Priority.HIGH,
        "the meter opens the link and does not answer the association request",
        "UA came, AARE did not: the meter drops what it does not understand, or is busy with itself",
        (
            "meterctl test ID, and look at the frames: meterctl diagnose ID",
            "check client SAP and authentication",
            "raise the reply timeout: limits reply_timeout_s",
        ),
        20,
    ),
    Cause(
        "association_refused",
        Priority.HIGH,
        "the meter refuses the association",
        "UA came and AARE refuses, not for the password; the diagnostic is in the symptom (1: unknown client, "
        "2: context not supported)",
        (
            "check the client's SAP and that the meter knows it",
            "check security level, suite and referencing (ln or sn)",
            "meterctl test ID",
        ),
        20,
    ),
    Cause(
        "wrong_credentials",
        Priority.CRITICAL,
        "the meter refuses our password or key",
        "AARE refuses us with a diagnostic of authentication (13: wrong password, 14: password required, 11: mechanism "
        "not recognised). It is tried twice and then every 30 min only, so that the meter does not lock itself",
        (
            "get the right password or keys of this client from the meter's owner",
            "meterctl edit ID --password-file FILE (or --keys-file), which is tried at once",
            "if it is right, check the client's SAP: each has its own password",
        ),
        15,
    ),
    Cause(
        "keys_or_counter",
        Priority.CRITICAL,
        "protected messages are not accepted",
        "keys, system title, suite or the invocation counter do not fit the meter's",
        (
            "check keys, suite and system titles: meterctl edit ID --keys-file FILE",
            "make sure that no other installation uses our system title",
            "an exhausted counter needs new keys in the meter; see docs/OPERATIONS.md, Keys and counters",
        ),
        30,
    ),
    Cause(
        "counter_file",
        Priority.CRITICAL,
        "the file of the invocation counter cannot be used",
        "it is damaged, held by another process, or the disk does not take it; without it nothing may be protected",
        (
            "look for room and rights in counters/ of the state directory",
            "a damaged file: remove it, meterctl restart ID",
        ),
        15,
    ),
    Cause(
        "peer_closed",
        Priority.HIGH,
        "the other side closes the connection",
        "meter, converter or network end it: another client has the meter (then often before the first frame), "
        "an idle timeout, or a converter that restarts",
        (
            "look for a second client: it serves one at a time",
            "compare the interval with the idle timeout of converter and meter: limits inactivity_timeout_s",
            "look at the converter's or modem's own log",
        ),
        30,
    ),
    Cause(
        "timeouts",
        Priority.MEDIUM,
        "the meter does not answer in time, in bursts",
        "the link stands and answers are missing for a while: a weak radio or modem link, a busy meter, a shared line",
        (
            "look when they come: meterctl diagnose ID",
            "check signal and load of the link",
            "raise the reply timeout: limits reply_timeout_s; read less often",
        ),
        30,
    ),
    Cause(
        "line_damage",
        Priority.MEDIUM,
        "frames arrive damaged or out of step",
        "noise on the line, wrong termination, two masters on one line, or a converter that drops octets",
        (
            "check wiring, shield and termination",
            "look for a second master on the line",
            "lower the baud rate or raise the converter's inter-octet timeout",
        ),
        45,
    ),
    Cause(
        "protocol",
        Priority.MEDIUM,
        "the meter answers what does not fit the request",
        "exception-response, malformed or unexpected answers: firmware, model or referencing are not as configured",
        (
            "record it without secrets: meterctl capture",
            "check model and referencing (ln or sn)",
            "send the recording to whoever supports this model",
        ),
        45,
    ),
    Cause(
        "unstable_link",
        Priority.HIGH,
        "the link is lost again and again",
        "more than ten reconnections in an hour, or connections that fail in a row; the worker pauses in between",
        ("find out what the losses were: meterctl diagnose ID", "treat that cause: line, link, a second client"),
        45,
    ),
    Cause(
        "line_held",
        Priority.MEDIUM,
        "another process of this machine holds the meter's line",
        "two workers or a meterctl command at one address; a meter serves one client at a time",
        ("end the other command", "two meters behind one converter: line_mode shared for both"),
        10,
    ),
    # what is read
    Cause(
        "not_in_meter",
        Priority.LOW,
        "the meter does not have, or does not give, what is to be read",
        "an object is undefined, denied to this client, or of another class or type",
        (
            "see what it has: meterctl objects",
            "drop or correct the measurement, or choose the model that fits: meterctl edit ID",
            "check the rights of this client in the meter",
        ),
        15,
    ),
    Cause(
        "meter_fault",
        Priority.MEDIUM,
        "the meter says that it cannot read a quantity",
        "hardware-fault, object-unavailable, temporary failure or an answer that broke off, by the meter itself",
        ("read it directly: meterctl read", "look at the meter's own display and event log", "call the meter's maker"),
        30,
    ),
    Cause(
        "implausible",
        Priority.MEDIUM,
        "values contradict each other",
        "wrong scaler or transformer ratio, phases exchanged, or a counter that fell; values are delivered and marked",
        ("compare with the display", "check current transformers and phases", "check the model's quantities"),
        60,
    ),
    Cause(
        "slow_cycles",
        Priority.LOW,
        "a cycle takes too long",
        "2 s and more, or longer than its interval: a slow meter or link, too many quantities",
        ("read fewer quantities or less often: meterctl edit ID", "check the link's round trip"),
        15,
    ),
    Cause(
        "meter_clock",
        Priority.LOW,
        "the meter's clock is off",
        "it drifts, or is in another zone; rows of its load profile carry its time",
        ("compare: meterctl clock", "set it within bounds: meterctl clock --sync"),
        5,
    ),
)
