# One image for every role of docker-compose.yml: API, Dagster webserver, daemon, code server.
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN uv venv /app/.venv && uv pip sync --python /app/.venv/bin/python requirements.lock
COPY backend backend
COPY api api
COPY orchestration orchestration
COPY dbt dbt
RUN uv pip install --python /app/.venv/bin/python --no-deps --no-build-isolation --editable .

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home outlay && install -d -o outlay -g outlay /var/lib/outlay
COPY --from=build --chown=root:root /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 OUTLAY_HOME=/var/lib/outlay
USER outlay
VOLUME /var/lib/outlay
CMD ["uvicorn", "api.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8000", "--no-access-log"]
