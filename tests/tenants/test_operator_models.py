from __future__ import annotations

import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.urls import reverse

from ragadmin.embedded.ports import free_port
from ragadmin.errors import ProviderError
from tenants.config import ModelEndpoint
from tenants.models import AuditEvent, Provider
from tenants.providers import endpoint_of, make_default, save_provider, try_endpoint

SECRET = "sk-very-secret-value"


def endpoint(**changes: str) -> ModelEndpoint:
    values = {
        "name": f"endpoint {uuid.uuid4().hex[:8]}",
        "base_url": "http://127.0.0.1:9/v1",
        "api_key": "",
        "small_model": "mock-0-8-0",
        "large_model": "mock-0-8-0",
    }
    return ModelEndpoint(**(values | changes))


def form_data(**changes: str) -> dict[str, str]:
    made = endpoint(**changes)
    names = ("name", "base_url", "api_key", "small_model", "large_model")
    return {name: getattr(made, name) for name in names}


def test_endpoint_is_added_and_its_key_is_shown_nowhere(shared_cast):
    client, data = shared_cast.client("operator"), form_data(api_key=SECRET)
    response = client.post(reverse("operator-new-model"), data, follow=True)
    provider = Provider.objects.get(name=data["name"])
    assert endpoint_of(provider).api_key == SECRET
    assert SECRET not in provider.api_key_encrypted
    pages = [response, client.get(reverse("operator-model", args=[provider.pk]))]
    assert all(SECRET not in page.content.decode() for page in pages)
    event = AuditEvent.objects.get(action="provider.added", target=provider.name)
    assert SECRET not in str(event.detail)


def test_empty_key_keeps_the_stored_one(shared_cast):
    provider = save_provider(endpoint(api_key=SECRET), actor=shared_cast["operator"])
    data = form_data(name=provider.name, small_model="other")
    shared_cast.client("operator").post(reverse("operator-model", args=[provider.pk]), data)
    provider.refresh_from_db()
    assert (provider.small_model, endpoint_of(provider).api_key) == ("other", SECRET)


def test_stored_key_is_not_sent_to_a_new_address(shared_cast):
    provider = save_provider(endpoint(api_key=SECRET), actor=shared_cast["operator"])
    data = form_data(name=provider.name, base_url="http://127.0.0.1:10/v1")
    response = shared_cast.client("operator").post(
        reverse("operator-model", args=[provider.pk]), data
    )
    assert "address has changed" in response.context["form"].errors["api_key"][0]
    provider.refresh_from_db()
    assert provider.base_url == "http://127.0.0.1:9/v1"


def test_stored_key_is_forgotten_on_request(shared_cast):
    provider = save_provider(endpoint(api_key=SECRET), actor=shared_cast["operator"])
    data = form_data(name=provider.name) | {"forget_key": "on"}
    shared_cast.client("operator").post(reverse("operator-model", args=[provider.pk]), data)
    provider.refresh_from_db()
    assert provider.api_key_encrypted == ""


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://example.com/v1", "http://", "http://[", "javascript:alert(1)"]
)
def test_bad_address_is_told_at_its_field(shared_cast, url):
    data = form_data() | {"base_url": url}
    response = shared_cast.client("operator").post(reverse("operator-new-model"), data)
    assert list(response.context["form"].errors) == ["base_url"]


def test_name_is_given_once(shared_cast):
    provider = save_provider(endpoint(), actor=shared_cast["operator"])
    data = form_data(name=provider.name)
    response = shared_cast.client("operator").post(reverse("operator-new-model"), data)
    assert "choose another name" in response.context["form"].errors["name"][0]


def test_there_is_one_default(shared_cast):
    first, second = (save_provider(endpoint(), actor=shared_cast["operator"]) for _ in range(2))
    make_default(first, actor=shared_cast["operator"])
    url = reverse("operator-default-model", args=[second.pk])
    shared_cast.client("operator").post(url)
    assert list(Provider.objects.filter(is_default=True)) == [second]
    second.delete()


def test_deleted_endpoint_leaves_its_tenants_to_the_default(cast):
    provider = save_provider(endpoint(), actor=cast["operator"])
    cast.tenant.provider = provider
    cast.tenant.save()
    client = cast.client("operator")
    assert "1 tenant" in client.get(reverse("operator-models")).content.decode()
    client.post(reverse("operator-delete-model", args=[provider.pk]))
    cast.tenant.refresh_from_db()
    assert cast.tenant.provider is None


def test_page_says_that_answers_are_extractive(shared_cast):
    Provider.objects.filter(is_default=True).delete()
    text = shared_cast.client("operator").get(reverse("operator-models")).content.decode()
    assert "Answers are extractive" in text


def test_endpoint_that_answers_passes_its_test(shared_cast, model_url):
    models = try_endpoint(endpoint(base_url=model_url)).models
    assert models
    wanted = endpoint(base_url=model_url, small_model=models[0], large_model=models[0])
    provider = save_provider(wanted, actor=shared_cast["operator"])
    response = shared_cast.client("operator").post(
        reverse("operator-test-model", args=[provider.pk]), headers={"HX-Request": "true"}
    )
    assert "has what is asked for" in response.content.decode()


def test_missing_model_is_named(model_url):
    result = try_endpoint(endpoint(base_url=model_url, small_model="no-such-model"))
    assert "no-such-model" in result.missing


def test_endpoint_that_is_down_says_so(shared_cast):
    down = endpoint(base_url=f"http://127.0.0.1:{free_port()}/v1")
    provider = save_provider(down, actor=shared_cast["operator"])
    client = shared_cast.client("operator")
    response = client.post(reverse("operator-test-model", args=[provider.pk]))
    assert "cannot be reached" in response.content.decode()


class NoModel(BaseHTTPRequestHandler):
    """An ordinary web site: it has pages, and some are closed."""

    def do_GET(self) -> None:
        path = self.path.split("/")[1]
        body = b"<h1>Welcome</h1>"
        self.send_response(int(path) if path.isdigit() else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def website_url():
    with ThreadingHTTPServer(("127.0.0.1", 0), NoModel) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1", "not an OpenAI-compatible endpoint"),
        ("/401", "refuses the API key"),
        ("/404", "has no /models .* ends with /v1"),
        ("/503", "answered with HTTP 503"),
    ],
)
def test_what_is_no_endpoint_is_told_apart(website_url, path, said):
    with pytest.raises(ProviderError, match=said):
        try_endpoint(endpoint(base_url=website_url + path))


def test_test_of_the_environment_needs_one(shared_cast):
    client = shared_cast.client("operator")
    assert client.post(reverse("operator-test-environment")).status_code == 404


@pytest.mark.parametrize("name", ["owner", "stranger"])
def test_others_change_no_endpoints(shared_cast, name):
    provider = save_provider(endpoint(), actor=shared_cast["operator"])
    client = shared_cast.client(name)
    urls = (
        "operator-model",
        "operator-test-model",
        "operator-default-model",
        "operator-delete-model",
    )
    for url in urls:
        assert client.post(reverse(url, args=[provider.pk])).status_code == 404
    assert Provider.objects.filter(pk=provider.pk).exists()
