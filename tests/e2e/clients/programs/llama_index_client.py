"""LlamaIndex against Leeway, by OpenAI's protocol: by Anthropic's it takes no names but its own list's."""

import os

from llama_index.core.llms import ChatMessage
from llama_index.core.llms.llm import LLM
from llama_index.llms.openai_like import OpenAILike

MODEL, TEXT = os.environ["LEEWAY_MODEL"], os.environ["LEEWAY_TEXT"]
ASKED = [ChatMessage(role="user", content="What does Leeway pass?")]


def check(llm: LLM) -> None:
    assert llm.chat(ASKED).message.content == TEXT
    assert llm.complete("What does Leeway pass?").text == TEXT
    said = "".join(piece.delta or "" for piece in llm.stream_chat(ASKED))
    assert said == TEXT, said


if __name__ == "__main__":
    base, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
    check(OpenAILike(model=MODEL, api_base=base, api_key=key, is_chat_model=True))
    print("ok openai")
