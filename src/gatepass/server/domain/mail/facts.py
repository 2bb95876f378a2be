"""What an email says of the request that led to it: when, on which device, from where; and when its link ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.devices import device_of
from gatepass.server.base.texts import time_in_words

if TYPE_CHECKING:
    from gatepass.server.base.texts import Translate
    from gatepass.server.domain.mail.queue import Notice


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Each is empty where it is not known, or not for the recipient to know. `until` is when the link ends."""

    until: str = ""
    time: str = ""
    device: str = ""
    address: str = ""


NAMES: tuple[str, ...] = Facts.__struct_fields__


def facts_of(t: Translate, notice: Notice) -> Facts:
    """The facts of an email.

    Only browsers that we know are named: what else a request says of itself may be an invitation to another site.
    """
    until = time_in_words(t, notice.at + notice.seconds) if notice.seconds else ""
    agent, address = notice.where.user_agent, notice.where.address
    if not notice.at or not (address or agent):
        return Facts(until=until)
    device = device_of(agent if agent.startswith("Mozilla/") else "")
    name = t("device.on", program=device.program, system=device.system) if all(device) else "".join(device)
    return Facts(
        until=until,
        time=time_in_words(t, notice.at),
        device=name or t("account.unknown_device"),
        address=address,
    )
