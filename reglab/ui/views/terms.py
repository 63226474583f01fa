"""Words of the trade, and what each means: underlined where it first stands in a sentence, and explained when it is pressed.

The explanations stand once on the page, in its head. A word in a sentence is a button that names its explanation; that it
opens, stays in sight and goes with Escape or a press elsewhere is the browser's own doing (the popover attribute).
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

TERMS = {
    "val": "Validation: accuracy or loss on held-out images that the network never trained on.",
    "gap": "Training accuracy minus validation accuracy, in percentage points. A large gap means that the network knows its"
    " training images better than it knows the task.",
    "calibration error": "How far the network's confidence is from its accuracy on average: 0 is perfect, 0.1 means that it is"
    " off by ten points. Also called expected calibration error, ECE.",
    "standard error": "How far a number is off, typically, because it was measured on so few images: of three points, about two lie"
    " that close to what all pictures of the kind would give. Four times as many images halve it.",
    "logits": "The numbers that the last layer puts out, one for each class. Softmax turns them into probabilities.",
    "temperature": "One number by which all logits are divided to make probabilities honest. It is fitted on validation images;"
    " above 1 the network was too sure, below 1 not sure enough.",
    "energy": "A score of how familiar a picture looks to the network, computed from its logits. A low score means unlike"
    " anything it was trained on.",
    "Grad-CAM": "A map of the places in a picture that are evidence for an answer: the gradients of that answer, averaged over each"
    " channel, weight the feature maps of one layer.",
}
WORDS = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, TERMS))})(?![\w-])", re.IGNORECASE)


def key_of(term: str) -> str:
    """What the explanation of a term is called on the page."""
    known = next((each for each in TERMS if each.lower() == term.lower()), term)
    return f"term-{known.lower().replace(' ', '-')}"


def explained(text: object) -> Markup:
    """The text, escaped, with each term made a button where it first stands."""
    seen: set[str] = set()

    def button(found: re.Match[str]) -> str:
        key = key_of(found[1])
        if key in seen:
            return found[0]
        seen.add(key)
        return f'<button type="button" class="reglab-term" popovertarget="{key}">{found[0]}</button>'

    return Markup(WORDS.sub(button, str(escape(text))))
