# The worker and the console script. One image for every process of ours: workers, `onboarding setup`, the CLI.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
# The service runs from its folder: it is no package that could be installed beside others.
WORKDIR /opt/onboarding/service
RUN python -m venv --without-pip /opt/onboarding
COPY requirements.lock ./
RUN pip --python /opt/onboarding/bin/python install --no-cache-dir --require-hashes --no-deps --requirement requirements.lock
COPY pyproject.toml setup.py README.md LICENSE settings.py worker.py ./
COPY domain domain
COPY workflows workflows
COPY activities activities
COPY runtime runtime
COPY starter starter
COPY client client
# setuptools is in the lock to build with, not to run with.
RUN pip --python /opt/onboarding/bin/python install --no-cache-dir --no-deps --no-build-isolation \
        --editable . --editable ./client \
    && /opt/onboarding/bin/python -m compileall -q . \
    && pip --python /opt/onboarding/bin/python uninstall --yes setuptools

FROM ${PYTHON_IMAGE}
# The version this image is in its worker deployment; empty: worker versioning is off.
ARG ONBOARDING_BUILD_ID=""
LABEL org.opencontainers.image.title="reseller-onboarding" \
      org.opencontainers.image.revision="${ONBOARDING_BUILD_ID}"
ENV PATH=/opt/onboarding/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ONBOARDING_BUILD_ID=${ONBOARDING_BUILD_ID} \
    ONBOARDING_HEALTH_FILE=/tmp/worker-polls
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin onboarding
COPY --from=build /opt/onboarding /opt/onboarding
USER 10001:10001
WORKDIR /tmp
# The worker touches the file every ten seconds, as long as the server confirms that it polls.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=2 \
    CMD test -n "$(find "$ONBOARDING_HEALTH_FILE" -newermt '45 seconds ago')"
STOPSIGNAL SIGTERM
CMD ["python", "-m", "worker"]
