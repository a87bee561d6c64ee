"""Who may report signatures: each provider's scheme, by vectors that were made without this code."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.signatures.verification import verifier
from domain.signatures import Provider
from tests.activities.signature_payloads import SECRETS, raw, signed_headers

AT = 1_774_947_600
BODY = b'{"event":"x"}'
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(b"webhook-id", b"webhook-timestamp", b"webhook-signature"),
                *(b"x-documenso-secret", b"x-docuseal-signature", b"x-docusign-signature-1"),
            ]
        ),
        st.binary(max_size=60) | st.from_regex(rb"\A[0-9]{1,14}\.[0-9a-f]*\Z") | st.from_regex(rb"\Av1,.*\Z"),
    ),
    max_size=4,
)


def judged(provider: Provider, headers: dict[str, str], body: bytes = BODY, at: float = AT) -> bool:
    return verifier(provider, SECRETS[provider], lambda: at)(raw(headers), body)


@pytest.mark.parametrize("provider", Provider)
class TestEach:
    """What holds for all of them."""

    # Standard Webhooks' own library goes by the machine's clock.
    def test_its_own(self, provider: Provider) -> None:
        at = None if provider is Provider.STANDARD else float(AT)
        assert judged(provider, signed_headers(provider, BODY, at=at))

    def test_with_another_secret(self, provider: Provider) -> None:
        other = SECRETS[provider][:-4] + "AAAA"
        at = None if provider is Provider.STANDARD else float(AT)
        assert not judged(provider, signed_headers(provider, BODY, other, at=at))

    def test_without_headers(self, provider: Provider) -> None:
        assert not judged(provider, {})

    def test_that_are_not_ascii(self, provider: Provider) -> None:
        """`hmac.compare_digest` raises on such texts."""
        shown = {name: "\xe9" + value[1:] for name, value in signed_headers(provider, BODY).items()}
        assert not judged(provider, shown)

    @given(headers=HEADERS, body=st.binary(max_size=80))
    def test_anything(self, provider: Provider, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        assert verifier(provider, SECRETS[provider], lambda: AT)(headers, body) is False


@pytest.mark.parametrize("provider", [each for each in Provider if each is not Provider.DOCUMENSO])
def test_another_body(provider: Provider) -> None:
    at = None if provider is Provider.STANDARD else float(AT)
    assert not judged(provider, signed_headers(provider, BODY, at=at), BODY + b" ")


class TestVectors:
    """Made by `openssl dgst -sha256 -hmac` of each scheme's description."""

    def test_docuseal_takes_the_whole_secret_as_key(self) -> None:
        """printf '1774947600.{"event":"x"}' | openssl dgst -sha256 -hmac whsec_…"""
        signature = "1336de3fbe6d492766079e0f8295ecb99b204f9c5156b14f61aacae1b5e43666"
        assert judged(Provider.DOCUSEAL, {"X-Docuseal-Signature": f"{AT}.{signature}"})
        assert not judged(Provider.DOCUSEAL, {"X-Docuseal-Signature": signature})

    def test_docusign_is_base64_of_the_body(self) -> None:
        """printf '{"event":"x"}' | openssl dgst -sha256 -hmac … -binary | base64"""
        signature = "U55NMJ3ZmhChEZ/kF0b7DlrF5RuDslaFlOvsuABYB+0="
        assert judged(Provider.DOCUSIGN, {"X-DocuSign-Signature-1": signature})
        assert judged(Provider.DOCUSIGN, {"X-DocuSign-Signature-100": signature})
        assert not judged(Provider.DOCUSIGN, {"X-DocuSign-Signature": signature})

    def test_documenso_sends_the_secret(self) -> None:
        assert judged(Provider.DOCUMENSO, {"X-Documenso-Secret": SECRETS[Provider.DOCUMENSO]})


@pytest.mark.parametrize(
    ("passed", "genuine"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_a_time_of_docuseal_holds_for_five_minutes(passed: int, genuine: bool) -> None:
    headers = signed_headers(Provider.DOCUSEAL, BODY, at=float(AT))
    assert judged(Provider.DOCUSEAL, headers, at=AT + passed) is genuine


@pytest.mark.parametrize("passed", [301, -301])
def test_a_time_of_standard_webhooks_too(passed: int) -> None:
    assert not judged(Provider.STANDARD, signed_headers(Provider.STANDARD, BODY, at=time.time() - passed))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_A"])
def test_a_secret_no_scheme_can_use(secret: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        verifier(Provider.STANDARD, secret)
