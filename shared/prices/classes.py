"""The classes into which a usage is split; each is priced by itself, and no token is in two of them."""

# In the order in which they stand in a prompt: what is cached comes first.
INPUT_CLASSES = (
    "cache_read",
    "cache_read_audio",
    "cache_read_image",
    "cache_read_video",
    "cache_read_document",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "fresh_input",
    "audio_in",
    "image_in",
    "video_in",
    "document_in",
    "tool_input",
)
OUTPUT_CLASSES = ("output", "reasoning", "audio_out", "image_out", "video_out")
# What is not counted in tokens: seconds of sound, and calls of a provider's own tools.
OTHER_CLASSES = ("audio_seconds", "file_search", "web_search")

CLASSES = (*INPUT_CLASSES, *OUTPUT_CLASSES, *OTHER_CLASSES)
