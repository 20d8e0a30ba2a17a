"""`SECTIONS`: what a card's page says of each block of its metrics, and the command that makes it anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from model.card import Card
from model.card_tracking import tracking
from model.energy import AC_PJ, MAC_PJ
from model.markdown import code, figure, table

Section = Callable[[Card], Iterator[str]]


def _evaluate(card: Card, options: str) -> str:
    return code(f"spikesight evaluate {card.name} {options} --write")


def _accuracy(card: Card) -> Iterator[str]:
    metrics = card.metrics
    yield f"On {metrics['windows']} {metrics['on']} with {metrics['boxes']} boxes:"
    yield from _scores(metrics)
    if "quiet_threshold" in metrics["operating"]:
        operating = metrics["operating"]
        yield (
            f"The threshold is the one of the best F1 ({operating['best_f1_threshold']:g}), but at least the "
            f"one that keeps false boxes few ({operating['quiet_threshold']:g})."
        )
    yield _evaluate(card, f"--windows {metrics['windows']}{_protocol(metrics)}")


def _scores(metrics: dict[str, Any]) -> Iterator[str]:
    """The accuracy of one set of windows."""
    scores, operating = metrics["scores"], metrics["operating"]
    rows = [[name, *_pair(scores["ap50"][name], scores["ap50_95"][name])] for name in scores["ap50"]]
    rows += [[_size(name, size), *_pair(size["map50"], size["map50_95"])] for name, size in _sizes(scores)]
    yield table(("", "AP50", "AP50:95"), [*rows, ["mean", *_pair(scores["map50"], scores["map50_95"])]])
    if metrics.get("rule"):
        rule = metrics["rule"]
        yield (
            f"Boxes with a diagonal under {rule['min_diagonal_px']:g} px or a side under "
            f"{rule['min_side_px']:g} px neither count nor hurt."
        )
    yield (
        f"At the default threshold: precision {figure(operating['precision'])}, recall "
        f"{figure(operating['recall'])}, F1 {figure(operating['f1'])}{_false(operating)}."
    )


def _protocol(metrics: dict[str, Any]) -> str:
    return " --protocol prophesee" if metrics.get("rule") else ""


def _data_sets(card: Card) -> Iterator[str]:
    for name, block in card.metrics["data_sets"].items():
        yield f"### {name}"
        yield f"On {block['windows']} windows with {block['boxes']} boxes:"
        yield from _scores(block)
        if block["ignored"]:
            yield f"It does not know {', '.join(block['ignored'])}: what it finds there does not count."
        if block["not_measured"]:
            yield f"Not labelled in the data, so not measured: {', '.join(block['not_measured'])}."
        yield _sheet(block["confusion"])
        if block["split"]:  # a mixture is measured at the end of training alone
            what = f"--data '{block['data']}' --split {block['split']} --windows {block['windows']}"
            yield _evaluate(card, what + _protocol(block))


def _pair(ap50: float | None, ap50_95: float | None) -> list[str]:
    return [figure(ap50), figure(ap50_95)]


def _sizes(scores: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(scores.get("sizes", {}).items())


def _size(name: str, size: dict[str, Any]) -> str:
    low, high = size["from_side"], size["to_side"]
    limit = f"from {low:.3g}²" if high is None else f"{low:.3g}² to {high:.3g}²"
    return f"{name}, {limit} cells: {size['boxes']} boxes"


def _false(operating: dict[str, Any]) -> str:
    return f", {operating['false_boxes']:.2f} false boxes a window" if "false_boxes" in operating else ""


def _each_step(card: Card) -> Iterator[str]:
    yield "Answers after the first steps of the window, against the boxes at its end; from the same command."
    rows = card.metrics["each_step"]
    yield table(
        ("steps", *(str(row["step"]) for row in rows)),
        [
            ("mAP50", *(figure(row["map50"]) for row in rows)),
            ("mAP50:95", *(figure(row["map50_95"]) for row in rows)),
        ],
    )


def _conditions(card: Card) -> Iterator[str]:
    rows = card.metrics["conditions"]
    count = rows[0]["windows"]
    yield (
        f"{count} held-out simulated windows each, of the same seeds; each differs from the first in one "
        "thing. Recall and false boxes (a window) at the default threshold."
    )
    cells = [[row["name"], *(figure(value) for value in _condition(row))] for row in rows]
    yield table(("", "mAP50", *(f"AP50 {name}" for name in rows[0]["ap50"]), "recall", "false boxes"), cells)
    yield _evaluate(card, f"--conditions --condition-windows {count}")


def _condition(row: dict[str, Any]) -> Sequence[float | None]:
    return [row["map50"], *row["ap50"].values(), row["recall"], row["false_boxes"]]


def _confusion(card: Card) -> Iterator[str]:
    sheet = card.metrics["confusion"]
    yield (
        f"Boxes at IoU 0.5 and threshold {sheet['threshold']:g}: a row is what is there, a column what was "
        "found; the last column holds what was missed, the last row what is not there. From the command of "
        "the accuracy."
    )
    yield _sheet(sheet)


def _sheet(sheet: dict[str, Any]) -> str:
    cells = [[name, *map(str, row)] for name, row in zip(sheet["classes"], sheet["counts"], strict=True)]
    cells[-1][-1] = ""  # nobody counts where nothing is and nothing was found
    return table(("", *sheet["classes"]), cells)


def _real_clips(card: Card) -> Iterator[str]:
    rows = card.metrics["real_clips"]
    yield "Labelled clips, on which nothing was chosen or tuned, at the default threshold and IoU 0.5."
    cells = [[row["name"], f"{row['found']} of {row['people']}", str(row["false"])] for row in rows]
    yield table(("clip", "people found", "false boxes"), cells)
    yield code(f"python -m benchmarks.real_recordings {card.name} --write")


def _streaming(card: Card) -> Iterator[str]:
    s = card.metrics["streaming"]
    yield (
        f"{s['streets']} simulated streets (`{s['scene']}`) of {s['seconds']:g} s, at each of {s['moments']} "
        f"moments the newest answer that is out (sAP, arXiv 2005.10420): {s['latency_ms']:.1f} ms from a "
        f"window's end to its boxes ({_charged(s)}), {s['dropped']} windows dropped."
    )
    yield table(
        ("", "mAP50", "mAP50:95"),
        [
            ["answers against their own moment", *_pair(s["offline_map50"], s["offline_map50_95"])],
            ["answers when they are out", *_pair(s["map50"], s["map50_95"])],
        ],
    )
    if "delays" in s:
        yield from _delays(card)
    given = s["given_latency_ms"]
    charged = "" if given is None else f" --latency-ms {given:g}"
    what = f"--streaming --streets {s['streets']} --seconds {s['seconds']:g} --scene '{s['scene']}'"
    beside = card.metrics.get("streaming_beside")
    yield _evaluate(card, what + charged + ("" if beside is None else f" --beside {beside['name']}"))


def _delays(card: Card) -> Iterator[str]:
    yield "mAP50 against what is true so long after the newest event looked at; energy of a second."
    own = {"name": card.name, "mode": card.mode, **card.metrics["streaming"]}
    rows = [own, *filter(None, [card.metrics.get("streaming_beside")])]
    cells = [
        [
            f"{row['name']} ({row['mode']})",
            *(figure(value) for value in row["delays"].values()),
            figure(row["map50"]),
            f"{row['latency_ms']:.1f}",
            f"{row['energy_mj_s']:.2f}",
        ]
        for row in rows
    ]
    heads = [f"{delay} ms" for delay in own["delays"]]
    yield table(("", *heads, "at its own latency", "latency ms", "mJ/s"), cells)


def _charged(streaming: dict[str, Any]) -> str:
    return f"{streaming['engine']}, one core" if streaming["given_latency_ms"] is None else "given"


def _energy(card: Card) -> Iterator[str]:
    activity = card.metrics["activity"]
    rows = [
        ("firing rate", f"{activity['firing_rate']:.1%} of neurons and steps"),
        ("synaptic operations", f"{activity['synops'] / 1e6:.1f} M at {AC_PJ} pJ"),
        ("multiply-accumulates of real-valued inputs", f"{activity['macs'] / 1e6:.1f} M at {MAC_PJ} pJ"),
        ("energy", f"{activity['energy_mj']:.3f} mJ (45 nm, 32 bit; operations alone, no memory)"),
        ("energy of the dense twin, one step", f"{activity['dense_mj']:.3f} mJ"),
        ("ratio", f"1 / {activity['dense_mj'] / activity['energy_mj']:.2f}"),
    ]
    yield "From the command of the accuracy."
    yield table(("", ""), rows)
    firing = [(f"`{layer}`", f"{rate:.1%}") for layer, rate in activity["firing"].items()]
    yield table(("layer", "firing rate"), firing)


def _twin(card: Card) -> Iterator[str]:
    twin = card.metrics["twin"]
    yield (
        f"`{twin['name']}` is the same layout with ReLU in place of spiking neurons, trained alike on "
        f"windows of one step, {twin['views']:,} of them (the spiking network: {twin['spiking_views']:,}); "
        f"both on the same {twin['windows']} held-out windows."
    )
    yield table(
        ("", "mAP50", "energy, a window"),
        [
            [card.name, figure(twin["spiking_map50"]), f"{twin['spiking_energy_mj']:.3f} mJ"],
            [twin["name"], figure(twin["map50"]), f"{twin['energy_mj']:.3f} mJ"],
        ],
    )
    yield f"The spiking network takes 1 / {twin['ratio']:.2f} of its twin's energy."
    yield _evaluate(card, f"--twin {twin['name']}.json --windows {twin['windows']}")


def _latency(card: Card) -> Iterator[str]:
    took = card.metrics["latency"]
    rows = [
        ("one step", f"{took['step_ms']:.1f} ms (90 % within {took['step_p90_ms']:.1f} ms)"),
        ("from a window's end to its boxes", f"{took['answer_ms']:.1f} ms"),
        (f"all of a window, every {card.steps * card.step_us / 1000:g} ms", f"{took['window_ms']:.1f} ms"),
    ]
    yield f"CPU time on one core of {took['machine']}, {took['engine']} engine, one stream."
    yield table(("", ""), rows)
    yield _evaluate(card, "--latency")


SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("Accuracy", "scores", _accuracy),
    ("Inside a window", "each_step", _each_step),
    ("Conditions", "conditions", _conditions),
    ("What it confuses", "confusion", _confusion),
    ("On data sets", "data_sets", _data_sets),
    ("Real clips", "real_clips", _real_clips),
    ("Streaming", "streaming", _streaming),
    ("Tracks", "tracking", tracking),
    ("Spikes and energy, a window", "activity", _energy),
    ("Against the conventional twin", "twin", _twin),
    ("Latency", "latency", _latency),
)
"""Title, the block of metrics it needs, and its paragraphs."""
