"""Settings that are tried on the golden questions before they are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrieval.evaluation.configuration import read_changes
from retrieval.knobs import RETRIEVAL, KnobForm
from retrieval.query.routing import available_models
from tenants.query_forms import MODELS, SEARCH, default_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenants.config import TenantConfig
    from tenants.models import Tenant

GROUPS = RETRIEVAL | MODELS
# The settings pages whose fields can be brought along.
PAGES = {"search": SEARCH, "models": MODELS}


class TrialForm(KnobForm):
    """Beside the settings the model by name, and the index that is being made."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        config: TenantConfig,
        tenant: Tenant,
        address: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data, config=config, groups=GROUPS, address=address)
        self.models = ["auto", *available_models(config)]
        self.has_next_index = tenant.next_generation is not None
        given = data if data is not None else address or {}
        self.model = given.get("model", "auto")
        self.next_index = self.has_next_index and given.get("next_index") == "on"

    def trial(self) -> dict[str, Any]:
        """As an evaluation keeps its changes. Only of a valid form."""
        return read_changes(
            {"settings": self.changes(), "model": self.model, "next_index": self.next_index}
        )


def from_settings_page(data: Mapping[str, str], section: str) -> dict[str, str]:
    """What was entered there and is not saved, as a TrialForm reads its address. A box that is not
    ticked is not sent, and means off."""
    names = [name for group in PAGES.get(section, {}).values() for name in group]
    return {
        name: data.get(name, "") if name in data else "off"
        for name in names
        if name in data or isinstance(default_of(name), bool)
    }
