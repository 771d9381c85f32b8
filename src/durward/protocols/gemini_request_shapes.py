"""What is decoded of Gemini's requests: the members that matter here, all others passed over."""

import msgspec

NOTHING = msgspec.Raw()


class FileReference(msgspec.Struct, gc=False):
    """A file by its URI, in either spelling."""

    uri: str | None = msgspec.field(name="fileUri", default=None)
    file_uri: str | None = None


class FunctionResponse(msgspec.Struct, gc=False):
    """What a function answered, which may hold parts again."""

    parts: "list[Part] | None" = None


class Part(msgspec.Struct, gc=False):
    """The members of a part that hold, or may hold, more than text."""

    inline: msgspec.Raw = msgspec.field(name="inlineData", default=NOTHING)
    inline_data: msgspec.Raw = NOTHING
    file: FileReference | None = msgspec.field(name="fileData", default=None)
    file_data: FileReference | None = None
    response: FunctionResponse | None = msgspec.field(name="functionResponse", default=None)
    function_response: FunctionResponse | None = None


class Content(msgspec.Struct, gc=False):
    """A turn of the conversation."""

    parts: list[Part] | None = None


class Config(msgspec.Struct, gc=False):
    """The bounds of the output, in either spelling."""

    tokens: int | None = msgspec.field(name="maxOutputTokens", default=None)
    max_output_tokens: int | None = None
    count: int | None = msgspec.field(name="candidateCount", default=None)
    candidate_count: int | None = None


class Search(msgspec.Struct, gc=False):
    """The stores that a file search looks through."""

    stores: list[str] | None = msgspec.field(name="fileSearchStoreNames", default=None)
    file_search_store_names: list[str] | None = None
