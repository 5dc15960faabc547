"""What the demo's customers ask, and what its assistant answers. `{product}`, `{city}`, ... are filled in."""

from collections.abc import Mapping
from dataclasses import dataclass

SYSTEM = "You are the support assistant of Harbour, a shop for home electronics. Be brief and kind."


@dataclass(frozen=True, slots=True)
class Topic:
    """Something people write about, in several wordings, and good answers to any of them."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]


TOPICS: Mapping[str, Topic] = {
    "delivery": Topic(
        questions=(
            "Where is my order {order}? It was meant to reach {city} {days} days ago.",
            "When will the {product} arrive in {city}?",
            "The tracking page of order {order} has not moved for {days} days.",
            "Can you send my {product} to another address in {city}?",
            "The courier left a note, but I was at home in {city} all day.",
            "Is it possible to pick up order {order} at a shop in {city}?",
        ),
        answers=(
            "Order {order} left our warehouse and should reach {city} within {days} days.",
            "The courier has your parcel in {city}. You get a message an hour before it comes.",
            "I have changed the address of order {order}. It takes {days} days more at most.",
        ),
    ),
    "returns": Topic(
        questions=(
            "How do I return a {product} that I bought {days} days ago?",
            "I would like to send back order {order}, it is the wrong colour.",
            "When do I get my money back for the {product}?",
            "Can I exchange my {product} for a larger one?",
            "Do I need the original box to return the {product}?",
            "My return of order {order} arrived {days} days ago, but there is no refund yet.",
        ),
        answers=(
            "You can return the {product} within thirty days. I have sent you a label by mail.",
            "The refund for order {order} is on its way and takes up to {days} working days.",
            "Any sturdy box will do. Put the label on the outside and drop it at a parcel shop.",
        ),
    ),
    "billing": Topic(
        questions=(
            "Why was I charged twice for order {order}?",
            "Please send me the invoice for my {product}.",
            "Can I pay for the {product} in {days} instalments?",
            "My gift card does not work at the checkout.",
            "The invoice of order {order} shows the wrong company name.",
            "Which cards do you accept in {city}?",
        ),
        answers=(
            "One of the two charges for order {order} was only reserved. It vanishes in {days} days.",
            "I have sent the invoice for the {product} to the address in your account.",
            "Yes, you can pay in instalments. Choose it at the checkout, there is no extra fee.",
        ),
    ),
    "account": Topic(
        questions=(
            "I cannot sign in to my account, the password mail never comes.",
            "How do I change the mail address of my account?",
            "Please delete my account and all of my data.",
            "How do I turn on two-step verification?",
            "Somebody in {city} signed in to my account, and that was not me.",
            "How can I leave the newsletter? I unsubscribed {days} days ago.",
        ),
        answers=(
            "I have sent a new link to set your password. It is valid for {days} hours.",
            "Open Settings, then Security: there you can change it in two steps.",
            "I have signed out every device. Please choose a new password now.",
        ),
    ),
    "setup": Topic(
        questions=(
            "How do I connect my {product} to the wireless network?",
            "The {product} does not turn on after the update.",
            "Is there a manual for the {product} that I can print?",
            "How do I reset my {product} to its factory settings?",
            "The app cannot find my {product}, though it is switched on.",
            "How often do I have to clean the filter of the {product}?",
        ),
        answers=(
            "Hold the button of the {product} for ten seconds until the light blinks, then try again.",
            "Open the app, choose Add device, and follow the three steps for the {product}.",
            "The manual of the {product} is on its product page, under Downloads.",
        ),
    ),
    "advice": Topic(
        questions=(
            "Which {product} do you recommend for a small flat?",
            "Is the {product} still in stock in {city}?",
            "What is the difference between the two models of the {product}?",
            "Does the {product} come with a longer warranty?",
            "Will the {product} be cheaper in the sale next week?",
            "Is the {product} quiet enough for a bedroom?",
        ),
        answers=(
            "For a small flat I would take the compact {product}. It is the quietest we have.",
            "Yes, our shop in {city} has {days} of them. I can put one aside for you.",
            "The newer model of the {product} uses a third less power, otherwise they are alike.",
        ),
    ),
}

INCIDENT = Topic(
    questions=(
        "The battery of my {product} swelled up and there is smoke coming out of it!",
        "My {product} caught fire while charging. Is there a safety recall?",
        "The charger got so hot that it melted and burnt my hand, what should I do?",
        "I read about exploding lithium batteries. Is the one in my {product} dangerous?",
        "There were sparks and a burning smell from the {product}, I had to call the fire brigade.",
        "Is it safe to sleep next to the {product}, or can its battery ignite?",
    ),
    answers=(
        "Please unplug the {product} at once and keep away from it. A colleague will call you.",
        "Do not charge the {product} any more. We collect it from {city} at our cost.",
    ),
)
"""The topic that is planted: nobody asked about it before."""

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I am unable to assist with this request.",
    "As an AI, I cannot provide support for that. Please contact a colleague.",
    "",
)
"""What the assistant says once its answers are worse; at times, nothing."""

COMMENTS = (
    "That did not help at all.",
    "I asked something simple and got nothing.",
    "Please let me talk to a person.",
)

SLOTS: Mapping[str, tuple[str, ...]] = {
    "product": (
        "coffee machine", "robot vacuum", "air fryer", "smart speaker", "tablet", "dishwasher",
        "electric toothbrush", "headphones", "e-reader", "projector", "air purifier", "hand blender",
        "doorbell camera", "fitness watch", "soundbar", "rice cooker",
    ),
    "city": (
        "Lisbon", "Hamburg", "Leeds", "Turin", "Ghent", "Malmö", "Graz", "Lyon", "Cork", "Gdańsk",
        "Porto", "Utrecht",
    ),
    "days": tuple(str(days) for days in range(2, 15)),
}  # fmt: skip
