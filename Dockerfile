# One image for every kind of process; the command selects it (see Procfile and compose.yaml). An exact version;
# .env.example says how to pin a digest.
ARG PYTHON_IMAGE=python:3.11.14-slim
FROM ${PYTHON_IMAGE}

ENV PATH=/opt/cj/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --create-home --uid 10001 cj
WORKDIR /app

# Dependencies first, because they rarely change. Each is pinned by hash.
COPY requirements.lock requirements-build.lock ./
# Removes what is not used: litellm's web pages, Hugging Face's downloader, AWS services other than those for models,
# uv.
RUN python -m venv --without-pip /opt/cj \
 && pip --python /opt/cj/bin/python install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --no-compile --require-hashes --requirement requirements.lock --requirement requirements-build.lock \
 && cd /opt/cj/lib/python3*/site-packages \
 && rm -r litellm/proxy/_experimental litellm/proxy/swagger hf_xet /opt/cj/bin/uv /opt/cj/bin/uvx \
 && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name "bedrock*" ! -name sts ! -name "sso*" -exec rm -r {} +

# Installed in place, because the migrations and the Procfile are next to the packages.
COPY . .
RUN pip --python /opt/cj/bin/python install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --no-deps --no-build-isolation --no-index --editable .

USER cj
CMD ["cj", "check"]
