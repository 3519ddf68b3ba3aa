"""OpenAPI of the hot routes, which no generator sees: they are not DRF views."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
UUID: Schema = {"type": "string", "format": "uuid"}
MONEY: Schema = {"type": "number", "nullable": True, "description": "null: the price is unknown"}
FREE_FORM: Schema = {"type": "object", "additionalProperties": True}


def obj(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return schema | {"required": list(required)} if required else schema


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    return schema | {"nullable": True}


def json_content(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


QUESTION: Schema = {"type": "string", "minLength": 1, "maxLength": 8000}
TOP_K: Schema = {"type": "integer", "minimum": 1, "maximum": 50}
EVENTS: Schema = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": "Server-sent events: status, token, citations, done (the whole answer), error.",
        }
    }
}
CHUNKS: Schema = {
    "text/event-stream": {
        "schema": {"type": "string", "description": "Chunks in OpenAI's form, then [DONE]."}
    }
}

HOT_COMPONENTS: dict[str, Schema] = {
    "Error": obj(
        ("error",),
        error=obj(("code", "message", "extra"), code=STRING, message=STRING, extra=FREE_FORM),
    ),
    "OpenAIError": obj(
        ("error",),
        error=obj(
            ("message", "type"),
            message=STRING,
            type=STRING,
            param=nullable(STRING),
            code=nullable(STRING),
        ),
    ),
    "SearchRequest": obj(
        ("question",),
        question=QUESTION,
        top_k=TOP_K | {"default": 5},
        mode={"type": "string", "enum": ["hybrid", "vector", "keyword"], "default": "hybrid"},
        rerank=BOOLEAN,
        explain=BOOLEAN | {"default": False},
        settings=FREE_FORM,
        filters=obj(document_id=UUID, source=STRING, path_prefix=STRING, access_level=STRING),
    ),
    "Hit": obj(
        chunk_id=INTEGER,
        document_id=UUID,
        path=STRING,
        text=STRING,
        score=NUMBER,
        similarity=NUMBER,
        access_level=STRING,
        rank=INTEGER,
    ),
    "SearchResult": obj(
        ("hits", "duration_ms"),
        hits=array(ref("Hit")),
        reranked=BOOLEAN,
        degraded=array(STRING),
        duration_ms=NUMBER,
    ),
    "AnswerRequest": obj(
        ("question",),
        question=QUESTION,
        conversation_id=UUID,
        stream=BOOLEAN | {"default": False},
        use_cache=BOOLEAN | {"default": True},
        model=STRING | {"default": "auto"},
        top_k=TOP_K,
    ),
    "Citation": obj(n=INTEGER, document_id=UUID, chunk_id=INTEGER, path=STRING, quote=STRING),
    "Cost": obj(
        embedding=MONEY,
        search=MONEY,
        rerank=MONEY,
        multi_query=MONEY,
        generation=MONEY,
        total=MONEY,
    ),
    "AnswerResult": obj(
        ("id", "answer", "citations"),
        id=UUID,
        answer=STRING,
        citations=array(ref("Citation")),
        model=STRING,
        tier=STRING,
        route_reason=STRING,
        cache={"type": "string", "enum": ["none", "exact", "semantic", "llm"]},
        cached_at=nullable({"type": "string", "format": "date-time"}),
        budget_step={
            "type": "string",
            "enum": ["", "small_model", "fewer_passages", "no_model"],
            "description": "How the answer was restricted, because a budget is nearly used.",
        },
        budget={"type": "string", "description": "The sentence that explains it."},
        similarity=obj(avg=nullable(NUMBER), max=nullable(NUMBER)),
        usage=obj(input_tokens=INTEGER, output_tokens=INTEGER),
        cost_usd=ref("Cost"),
        saved_usd=MONEY,
        duration_ms=NUMBER,
        first_token_ms=nullable(NUMBER),
        spans=array(FREE_FORM),
    ),
    "ChatRequest": obj(
        ("model", "messages"),
        model=STRING | {"example": "auto"},
        messages=array(obj(("role", "content"), role=STRING, content={})),
        stream=BOOLEAN | {"default": False},
        stream_options=obj(include_usage=BOOLEAN),
        temperature={"type": "number", "minimum": 0, "maximum": 2},
        max_completion_tokens=INTEGER,
        max_tokens=INTEGER,
        stop={"oneOf": [STRING, array(STRING)]},
    )
    | {"additionalProperties": True},
    "ChatCompletion": obj(
        id=STRING,
        object=STRING,
        created=INTEGER,
        model=STRING,
        choices=array(FREE_FORM),
        usage=FREE_FORM,
        ragadmin=obj(answer_id=UUID, cache=STRING, cost_usd=ref("Cost"))
        | {"description": "What ragadmin adds to OpenAI's form."},
    ),
    "ModelList": obj(object=STRING, data=array(FREE_FORM)),
    "EmbeddingRequest": obj(
        ("model", "input"),
        model=STRING,
        input={"oneOf": [STRING, array(STRING)]},
        encoding_format={"type": "string", "enum": ["float", "base64"]},
    ),
    "EmbeddingList": obj(object=STRING, data=array(FREE_FORM), model=STRING, usage=FREE_FORM),
}


def failure(error: str) -> Schema:
    return {"description": "What went wrong", "content": json_content(ref(error))}


ERROR_RESPONSE = failure("Error")


def operation(
    name: str, summary: str, tag: str, result: Schema, body: str = "", error: str = "Error"
) -> Schema:
    operation: Schema = {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "security": [{"apiKey": []}],
        "responses": {
            "200": {"description": "Done", "content": result},
            **dict.fromkeys(("400", "401", "403", "429", "502"), failure(error)),
        },
    }
    if body:
        operation["requestBody"] = {"required": True, "content": json_content(ref(body))}
    return operation


HOT_PATHS: dict[str, Schema] = {
    "/api/v1/answers/": {
        "post": operation(
            "answers_create",
            "Ask a question: a cited answer, whole or streamed",
            "answers",
            json_content(ref("AnswerResult")) | EVENTS,
            "AnswerRequest",
        )
    },
    "/api/v1/search/": {
        "post": operation(
            "search",
            "Find passages without generating an answer",
            "search",
            json_content(ref("SearchResult")),
            "SearchRequest",
        )
    },
    "/v1/chat/completions": {
        "post": operation(
            "chat_completions",
            "OpenAI-compatible chat over the tenant's documents",
            "openai",
            json_content(ref("ChatCompletion")) | CHUNKS,
            "ChatRequest",
            "OpenAIError",
        )
    },
    "/v1/models": {
        "get": operation(
            "list_models",
            "Models that may be named in a chat request",
            "openai",
            json_content(ref("ModelList")),
            error="OpenAIError",
        )
    },
    "/v1/models/{model}": {
        "get": operation(
            "retrieve_model",
            "One of the models that may be named",
            "openai",
            json_content(FREE_FORM),
            error="OpenAIError",
        )
        | {"parameters": [{"name": "model", "in": "path", "required": True, "schema": STRING}]}
    },
    "/v1/embeddings": {
        "post": operation(
            "create_embeddings",
            "Vectors from the tenant's embedding model",
            "openai",
            json_content(ref("EmbeddingList")),
            "EmbeddingRequest",
            "OpenAIError",
        )
    },
}
