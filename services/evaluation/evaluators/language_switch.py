"""Language switch: an answer in another language than the question."""

import re

from services.evaluation.domain import Interaction, Judgement
from services.evaluation.languages import language_of

# Who asks for a translation, or for a language by name, wants another one.
_ASKED_FOR = re.compile(
    r"translat|übersetz|traduc|tradui|tradu[zcç]|vertaal|翻译|翻譯|翻訳"
    r"|перевед|\b(?:in|into|to|auf|en|em) (?:english|german|french|spanish|italian"
    r"|portuguese|dutch|chinese|japanese|russian|korean|arabic|englisch|deutsch|französisch"
    r"|spanisch|anglais|allemand|français|espagnol|inglés|alemán|francés|español|inglês)\b",
    re.IGNORECASE,
)


class LanguageSwitch:
    """`value` is 1 when the languages differ; the label names them (`en`, or `en>de`).

    Abstains when either text is too short or too mixed to tell, and when a switch was asked for:
    in the question, or by a language named anywhere in what the model was told.
    """

    name = "language_switch"
    version = "1"

    def judge(self, interaction: Interaction) -> Judgement | None:
        asked, said = language_of(interaction.input_text), language_of(interaction.output_text)
        if asked is None or said is None:
            return None
        if asked == said:
            return Judgement(0.0, asked, passed=True)
        told = (interaction.input_text, interaction.input_messages)
        if any(map(_ASKED_FOR.search, told)):
            return None
        return Judgement(1.0, f"{asked}>{said}", passed=False)
