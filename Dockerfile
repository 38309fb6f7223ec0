# One image for every kind of process; the command selects it (see Procfile and compose.yaml).
# An exact version; .env.example says how to name a digest.
ARG PYTHON_IMAGE=python:3.11.14-slim
FROM ${PYTHON_IMAGE}

ENV PATH=/opt/cj/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --create-home --uid 10001 cj
WORKDIR /app

# Dependencies first, because they rarely change. Each is pinned by hash.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/cj \
 && pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --require-hashes \
        --requirement requirements.lock --requirement requirements-build.lock

# Installed in place, because the migrations and the Procfile are next to the packages.
COPY . .
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --no-deps --no-build-isolation --no-index --editable .

USER cj
CMD ["cj", "check"]
