"""An agent seen from the inside: its steps as spans, its calls of the model, and what its user thought.

LEEWAY_URL and LEEWAY_API_KEY are what `make up` prints; LEEWAY_MODEL is `demo` unless it is set.
Needs: pip install './sdk/python[openai]'
"""

import os

import leeway
from leeway.openai import OpenAI

MODEL = os.environ.get("LEEWAY_MODEL", "demo")
ARTICLES = {
    "cards": "A new card arrives within five working days.",
    "fees": "Transfers within the country are free.",
}


@leeway.observe(kind="agent")
def answer(client: OpenAI, question: str) -> tuple[str, str | None]:
    """The answer, and the interaction to give feedback on."""
    articles = [look_up(word) for word in topics(question)]
    with leeway.span("write", attributes={"articles": len(articles)}):
        reply = client.chat.completions.create(
            model=MODEL,
            messages=[
                {"role": "system", "content": "Answer from these: " + " ".join(articles)},
                {"role": "user", "content": question},
            ],
        )
    return reply.choices[0].message.content or "", leeway.interaction_id(reply)


@leeway.observe
def topics(question: str) -> list[str]:
    """What the question is about."""
    return [topic for topic in ARTICLES if topic.rstrip("s") in question.lower()]


@leeway.observe(kind="tool")
def look_up(topic: str) -> str:
    """The article on a topic."""
    return ARTICLES[topic]


def main() -> None:
    leeway.configure(api_key=os.environ["LEEWAY_API_KEY"], base_url=os.environ["LEEWAY_URL"])
    client = OpenAI()
    with leeway.session(user="u-7", tags={"channel": "app"}) as session:
        said, interaction = answer(client, "When does my card arrive, and what are the fees?")
        print(said)
        assert interaction is not None, "the gateway names every interaction"
        leeway.thumbs(interaction, up=True, text="That helped.")
        leeway.score(interaction, "helpful", 4, range=(1, 5), rater={"id": "ann", "kind": "expert"})
    assert leeway.flush(), "Leeway did not take everything"
    print(f"session {session.id}, interaction {interaction}: {leeway.stats()}")


if __name__ == "__main__":
    main()
