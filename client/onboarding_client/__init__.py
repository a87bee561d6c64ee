"""Client of the reseller onboarding API, for programs that do not run the service.

`OnboardingClient` waits for its answers, `AsyncOnboardingClient` is the same for asyncio. What they send and
answer is in `onboarding_client.models`; how webhooks are verified, in `onboarding_client.webhooks`.
"""

from onboarding_client.aio.client import AsyncOnboardingClient
from onboarding_client.errors import NoAnswerError, OnboardingError, RefusedError
from onboarding_client.sync.client import OnboardingClient

__all__ = ["AsyncOnboardingClient", "NoAnswerError", "OnboardingClient", "OnboardingError", "RefusedError"]
