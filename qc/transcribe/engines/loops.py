"""The loops of a decode step on a CPU as machine code (Numba); what they are for is said in `steps`, which alone calls them.

All arrays are contiguous. `most`, float32 [rows]: the largest magnitude of each row that was rounded to 8 bits; what a product of
such rows gave is to be multiplied by it, and the bias added. Each row is worked on alone, in one order of sums.

Exponentials are by a polynomial of degree 5 for 2^x on [0, 1) (relative error 2e-7), the error function by Abramowitz and
Stegun 1964, 7.1.26 (error 1.5e-7): both many at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qc.machine import compiled

_F = np.float32
_MIDDLE, _MOST, _TINY, _EPSILON = 128, _F(127), _F(1e-12), _F(1e-5)
_SIGN, _LESS, _LEAST = np.int32(31), np.int32(0x7FFFFFFF), np.int32(-0x7FFFFFFF)
_BLOCK = 1024
_APART = 256


def _compiled(function: Callable[..., Any]) -> Any:
    """Sums may be taken in the order that is fastest: it is the same one every time."""
    return compiled(function, fastmath={"contract", "reassoc", "nsz", "nnan", "arcp"})


def _part(function: Callable[..., Any]) -> Any:
    """A part of several loops, compiled anew within each: what comes out then has the same last bits in every process.

    Called, it would be joined to them as it was compiled, or as it was kept on disk, and those differ in the order of sums.
    """
    from numba import njit

    return njit(inline="always")(function)


@_part
def _room(count):  # type: ignore[no-untyped-def]
    """Memory to work in, float32 [count], far from all else.

    Where two arrays begin within some 256 bytes of each other, the compiler's test whether they overlap says that they may, and
    a loop over them takes another way, whose last bits are others: figures would change with where memory happens to lie.
    """
    return np.empty(count + 2 * _APART, np.float32)[_APART : _APART + count]


@_part
def _exponentials(values, powers, count, top):  # type: ignore[no-untyped-def]
    """e to the (value - top), in two factors: one left in `values`, the other's float32 bits in `powers`. Below e^-87: e^-87."""
    for n in range(count):
        y = (values[n] - top) * _F(1.4426950408889634)
        y = max(y, _F(-126.0))
        whole = np.floor(y)
        rest = y - whole
        p = _F(1.8775767e-3)
        p = p * rest + _F(8.9893397e-3)
        p = p * rest + _F(5.5826318e-2)
        p = p * rest + _F(2.4015361e-1)
        p = p * rest + _F(6.9315308e-1)
        values[n] = p * rest + _F(0.99999994)
        powers[n] = (np.int32(whole) + np.int32(127)) << np.int32(23)


@_part
def _highest(values, count):  # type: ignore[no-untyped-def]
    """The largest of float32 values: as integers of the same order, which are compared many at a time."""
    bits, top = values.view(np.int32), _LEAST
    for n in range(count):
        top = max(top, np.int32(bits[n] ^ np.int32(np.int32(bits[n] >> _SIGN) & _LESS)))
    one = np.empty(1, np.int32)
    one[0] = top ^ np.int32(np.int32(top >> _SIGN) & _LESS)
    return one.view(np.float32)[0]


@_part
def _largest(values):  # type: ignore[no-untyped-def]
    """The largest magnitude of float32 values, and 1e-12 at least."""
    bits, top = values.view(np.int32), np.int32(0)
    for n in range(len(values)):
        top = max(top, np.int32(bits[n] & _LESS))
    one = np.empty(1, np.int32)
    one[0] = top
    return max(one.view(np.float32)[0], _TINY)


@_part
def _rounded(values, out):  # type: ignore[no-untyped-def]
    """A row as bytes about 128, its largest magnitude at 127 from there; gives that magnitude."""
    most = _largest(values)
    factor = _MOST / most
    for n in range(len(values)):
        out[n] = np.uint8(np.int32(np.rint(values[n] * factor)) + _MIDDLE)
    return most


@_part
def _normed(row, weight, bias, work):  # type: ignore[no-untyped-def]
    """Layer norm of one row into `work`."""
    width = len(row)
    total = _F(0)
    for n in range(width):
        total += row[n]
    mean = total / _F(width)
    total = _F(0)
    for n in range(width):
        total += (row[n] - mean) * (row[n] - mean)
    factor = _F(1) / np.sqrt(total / _F(width) + _EPSILON)
    for n in range(width):
        work[n] = (row[n] - mean) * factor * weight[n] + bias[n]


@_compiled
def rounded(x, out, most):  # type: ignore[no-untyped-def]
    """Float32 x [rows, width] as bytes `out` [rows, width]."""
    for r in range(x.shape[0]):
        most[r] = _rounded(x[r], out[r])


@_compiled
def normed(x, weight, bias, out, most):  # type: ignore[no-untyped-def]
    """Layer norm of float32 x [rows, width], rounded into bytes `out` [rows, width]."""
    work = _room(x.shape[1])
    for r in range(x.shape[0]):
        _normed(x[r], weight, bias, work)
        most[r] = _rounded(work, out[r])


@_compiled
def added(x, y, most, bias, weight, norm_bias, out):  # type: ignore[no-untyped-def]
    """What a product gave, y [rows, width], added to x; then the layer norm of that as in `normed`."""
    width = x.shape[1]
    work = _room(width)
    for r in range(x.shape[0]):
        for n in range(width):
            x[r, n] += y[r, n] * most[r] + bias[n]
        _normed(x[r], weight, norm_bias, work)
        most[r] = _rounded(work, out[r])


@_compiled
def curved(y, most, bias, out):  # type: ignore[no-untyped-def]
    """The activation (GELU) of what a product gave, rounded into bytes `out` [rows, width]."""
    width = y.shape[1]
    work, ends, bits = _room(width), _room(width), _room(width)
    powers = bits.view(np.int32)
    for r in range(y.shape[0]):
        for n in range(width):
            work[n] = y[r, n] * most[r] + bias[n]
            ends[n] = _F(-0.5) * work[n] * work[n]
        _exponentials(ends, powers, width, _F(0))
        for n in range(width):
            t = _F(1) / (_F(1) + _F(0.3275911 * 0.7071067811865476) * abs(work[n]))
            p = _F(1.061405429)
            p = p * t - _F(1.453152027)
            p = p * t + _F(1.421413741)
            p = p * t - _F(0.284496736)
            p = (p * t + _F(0.254829592)) * t * ends[n] * bits[n]  # 1 - erf(|x| / sqrt 2)
            below = _F(0.5) * p
            work[n] = work[n] * (below if work[n] < 0 else _F(1) - below)
        most[r] = _rounded(work, out[r])


@_compiled
def attended_text(y, most, bias, keys, values, places, out):  # type: ignore[no-untyped-def]
    """Self-attention of one position a row: what the product gave [rows, 3 * heads * d] to bytes `out` [rows, heads * d].

    `keys`, `values`: float32 [rows or more, heads, positions, d]; the row's own are written at `places` int64 [rows] first.
    """
    heads, d = keys.shape[1], keys.shape[3]
    width = heads * d
    scores, bits = _room(keys.shape[2]), _room(keys.shape[2])
    powers = bits.view(np.int32)
    query, work = _room(d), _room(width)
    factor = _F(1) / np.sqrt(_F(d))
    for r in range(y.shape[0]):
        place = places[r]
        for h in range(heads):
            key, value = keys[r, h], values[r, h]
            for c in range(d):
                at = h * d + c
                query[c] = (y[r, at] * most[r] + bias[at]) * factor
                key[place, c] = y[r, width + at] * most[r] + bias[width + at]
                value[place, c] = y[r, 2 * width + at] * most[r] + bias[2 * width + at]
            for n in range(place + 1):
                total = _F(0)
                for c in range(d):
                    total += query[c] * key[n, c]
                scores[n] = total
            _exponentials(scores, powers, place + 1, _highest(scores, place + 1))
            total = _F(0)
            mixed = work[h * d : (h + 1) * d]
            mixed[:] = 0
            for n in range(place + 1):
                share = scores[n] * bits[n]
                total += share
                for c in range(d):
                    mixed[c] += share * value[n, c]
            for c in range(d):
                mixed[c] /= total
        most[r] = _rounded(work, out[r])


@_part
def _looked(query, ctx, keys, key_scales, values, value_scales, room, out):  # type: ignore[no-untyped-def]
    """One head's attention over the first `ctx` places of a window's sound: query float32 [d], already over sqrt d, to `out` [d].

    `keys` int8 [d, places], `values` int8 [places, d], their scales float32 [d]; `room`: (shares float32 [places], int32 [places],
    its bits).
    """
    shares, powers, bits = room
    d = keys.shape[0]
    shares[:ctx] = 0
    whole = d // 8 * 8
    for c in range(0, whole, 8):
        a, b, e, f = (
            query[c] * key_scales[c],
            query[c + 1] * key_scales[c + 1],
            query[c + 2] * key_scales[c + 2],
            query[c + 3] * key_scales[c + 3],
        )
        g, i, j, k = (
            query[c + 4] * key_scales[c + 4],
            query[c + 5] * key_scales[c + 5],
            query[c + 6] * key_scales[c + 6],
            query[c + 7] * key_scales[c + 7],
        )
        k0, k1, k2, k3, k4, k5, k6, k7 = (
            keys[c],
            keys[c + 1],
            keys[c + 2],
            keys[c + 3],
            keys[c + 4],
            keys[c + 5],
            keys[c + 6],
            keys[c + 7],
        )
        for n in range(ctx):
            shares[n] += (
                a * _F(k0[n])
                + b * _F(k1[n])
                + e * _F(k2[n])
                + f * _F(k3[n])
                + g * _F(k4[n])
                + i * _F(k5[n])
                + j * _F(k6[n])
                + k * _F(k7[n])
            )
    for c in range(whole, d):
        a, k0 = query[c] * key_scales[c], keys[c]
        for n in range(ctx):
            shares[n] += a * _F(k0[n])
    _exponentials(shares, powers, ctx, _highest(shares, ctx))
    total = _F(0)
    for n in range(ctx):
        shares[n] *= bits[n]
        total += shares[n]
    out[:] = 0
    whole = ctx // 8 * 8
    for n in range(0, whole, 8):
        a, b, e, f = shares[n], shares[n + 1], shares[n + 2], shares[n + 3]
        g, i, j, k = shares[n + 4], shares[n + 5], shares[n + 6], shares[n + 7]
        v0, v1, v2, v3 = values[n], values[n + 1], values[n + 2], values[n + 3]
        v4, v5, v6, v7 = values[n + 4], values[n + 5], values[n + 6], values[n + 7]
        for c in range(d):
            out[c] += (
                a * _F(v0[c])
                + b * _F(v1[c])
                + e * _F(v2[c])
                + f * _F(v3[c])
                + g * _F(v4[c])
                + i * _F(v5[c])
                + j * _F(v6[c])
                + k * _F(v7[c])
            )
    for n in range(whole, ctx):
        a, v0 = shares[n], values[n]
        for c in range(d):
            out[c] += a * _F(v0[c])
    for c in range(d):
        out[c] *= value_scales[c] / total


@_compiled
def looked(query, rows, lengths, keys, key_scales, values, value_scales, out):  # type: ignore[no-untyped-def]
    """Attention over windows' sound: float32 `query` [n, heads, d] of windows in `rows` int64 [n], to `out` [n, heads, d].

    `keys` int8 [rows, heads, d, ctx], `values` int8 [rows, heads, ctx, d], their scales float32 [rows, heads, d]; `lengths` int64
    [rows]: how much of ctx each has.
    """
    heads, d, ctx = keys.shape[1], keys.shape[2], keys.shape[3]
    bits = _room(ctx)
    room = (_room(ctx), bits.view(np.int32), bits)
    factor, asked = _F(1) / np.sqrt(_F(d)), _room(d)
    for i in range(query.shape[0]):
        r = rows[i]
        for h in range(heads):
            for c in range(d):
                asked[c] = query[i, h, c] * factor
            _looked(asked, lengths[r], keys[r, h], key_scales[r, h], values[r, h], value_scales[r, h], room, out[i, h])


@_compiled
def attended_audio(y, most, bias, lengths, keys, key_scales, values, value_scales, query, out):  # type: ignore[no-untyped-def]
    """Cross-attention of one position a row: what the product gave [rows, heads * d] to bytes `out` [rows, heads * d].

    Lengths, keys, values and scales as in `looked`, a row's at its own place; `query` float32 [rows, heads, d] is filled in.
    """
    heads, d, ctx = keys.shape[1], keys.shape[2], keys.shape[3]
    bits = _room(ctx)
    room = (_room(ctx), bits.view(np.int32), bits)
    factor, asked, work = _F(1) / np.sqrt(_F(d)), _room(d), _room(heads * d)
    for r in range(len(most)):
        for h in range(heads):
            for c in range(d):
                query[r, h, c] = y[r, h * d + c] * most[r] + bias[h * d + c]
                asked[c] = query[r, h, c] * factor
            _looked(
                asked, lengths[r], keys[r, h], key_scales[r, h], values[r, h], value_scales[r, h], room, work[h * d : (h + 1) * d]
            )
        most[r] = _rounded(work, out[r])


@_compiled
def kept(y, keys, key_scales, values, value_scales):  # type: ignore[no-untyped-def]
    """A window's keys and values, float32 y [ctx, 2 * heads * d], in 8 bits: `keys` [heads, d, ctx], `values` [heads, ctx, d]."""
    heads, d, ctx = keys.shape
    width = heads * d
    most = np.full(2 * width, _TINY, np.float32)
    for n in range(ctx):
        row = y[n]
        for c in range(2 * width):
            most[c] = max(most[c], abs(row[c]))
    factors = _MOST / most
    for h in range(heads):
        for c in range(d):
            key_scales[h, c] = most[h * d + c] / _MOST
            value_scales[h, c] = most[width + h * d + c] / _MOST
    block = np.empty((64, 2 * width), np.int8)
    for begin in range(0, ctx, 64):
        count = min(64, ctx - begin)
        for n in range(count):
            row, out = y[begin + n], block[n]
            for c in range(2 * width):
                out[c] = np.int8(np.int32(np.rint(row[c] * factors[c])))
        for h in range(heads):
            for n in range(count):
                key, value = block[n, h * d : (h + 1) * d], block[n, width + h * d : width + (h + 1) * d]
                values[h, begin + n] = value
                for c in range(d):
                    keys[h, c, begin + n] = key[c]


@_compiled
def chosen(logits, most, never, forced, silent, columns, gains):  # type: ignore[no-untyped-def]
    """The largest of each row's logits (times `most`): its column (the first of equals), and its log-probability.

    `never`: a column that rows with `forced` do not choose (-1: none). `silent`: how many further tokens have logit 0 (they are
    one more column). `logits` float32 [rows, n] is left as it was but for that column.
    """
    count = logits.shape[1]
    work, bits = _room(_BLOCK), _room(_BLOCK)
    powers = bits.view(np.int32)
    for r in range(len(most)):
        row, scale = logits[r], most[r]
        if never >= 0 and forced[r]:
            row[never] = _F(-3e38) / max(scale, _F(1))
        top = _highest(row, count)
        column = 0
        while column < count - 1 and row[column] != top:
            column += 1
        top *= scale
        best = top
        if silent > 0 and top < 0:
            column, best = count, _F(0)
        total = _F(0)
        for begin in range(0, count, _BLOCK):
            size = min(_BLOCK, count - begin)
            for n in range(size):
                work[n] = row[begin + n] * scale
            _exponentials(work, powers, size, best)
            for n in range(size):
                total += work[n] * bits[n]
        if silent > 0:
            total += _F(silent) * np.exp(-best)
        columns[r], gains[r] = column, -np.log(total)


@_compiled
def heard(queries, heads, keys, scales, frames):  # type: ignore[no-untyped-def]
    """How much each token is heard in each frame: float32 [tokens, frames], standardised over the tokens, mean over the heads.

    `queries` float32 [n, tokens, d] of the `heads` int64 [n]; `keys` int8 [all heads, d, ctx], `scales` float32 [all heads, d].
    """
    tokens, d = queries.shape[1], queries.shape[2]
    out, weights = np.zeros((tokens, frames), np.float32), np.empty((tokens, frames), np.float32)
    bits, mean, spread = _room(frames), _room(frames), _room(frames)
    powers = bits.view(np.int32)
    factor = _F(1) / np.sqrt(_F(d))
    for i in range(len(heads)):
        key, scale = keys[heads[i]], scales[heads[i]]
        mean[:] = 0
        spread[:] = 0
        for t in range(tokens):
            row = weights[t]
            row[:] = 0
            for c in range(d):
                q, k = queries[i, t, c] * scale[c] * factor, key[c]
                for n in range(frames):
                    row[n] += q * _F(k[n])
            _exponentials(row, powers, frames, _highest(row, frames))
            total = _F(0)
            for n in range(frames):
                row[n] *= bits[n]
                total += row[n]
            for n in range(frames):
                row[n] /= total
                mean[n] += row[n]
        for n in range(frames):
            mean[n] /= _F(tokens)
        for t in range(tokens):
            for n in range(frames):
                spread[n] += (weights[t, n] - mean[n]) * (weights[t, n] - mean[n])
        for n in range(frames):
            spread[n] = _F(1) / (max(np.sqrt(spread[n] / _F(tokens)), _F(1e-9)) * _F(len(heads)))
        for t in range(tokens):
            for n in range(frames):
                out[t, n] += (weights[t, n] - mean[n]) * spread[n]
    return out


@_compiled
def medians(values):  # type: ignore[no-untyped-def]
    """Median of each value and three on either side along each row of float32 [rows, n], mirrored at the ends, in place.

    Rows of up to three values stay as they are. The four largest of seven are sorted to the end, one after the other.
    """
    rows, count = values.shape
    if count <= 3:
        return
    seven, wide = np.empty((7, count), np.float32), np.empty(count + 6, np.float32)
    for r in range(rows):
        wide[3 : count + 3] = values[r]
        for n in range(3):
            wide[n], wide[count + 3 + n] = values[r, 3 - n], values[r, count - 2 - n]
        for k in range(7):
            seven[k] = wide[k : k + count]
        for done in range(4):
            for k in range(6 - done):
                low, high = seven[k], seven[k + 1]
                for n in range(count):
                    a, b = low[n], high[n]
                    low[n] = min(a, b)
                    high[n] = max(a, b)
        values[r] = seven[3]


def _entries(cost):  # type: ignore[no-untyped-def]
    rows, columns = cost.shape
    entered, straight = np.zeros((rows, columns), np.int32), np.zeros((rows, columns), np.bool_)
    best = np.cumsum(cost[0])
    for row in range(1, rows):
        total, least, place, before = 0.0, np.inf, 0, np.inf
        for column in range(columns):
            here = best[column]
            total += cost[row, column]
            straight[row, column] = here < before
            value = min(here, before) - (total - cost[row, column])
            if value <= least:
                least, place = value, column
            entered[row, column] = place
            before = here
            best[column] = total + least
    found = np.zeros(rows, np.int64)
    column = columns - 1
    for row in range(rows - 1, 0, -1):
        column = entered[row, column]
        found[row] = column
        if not straight[row, column]:
            column -= 1
    return found


entries = compiled(_entries)
"""The column in which the cheapest path through float64 cost [rows, n] enters each row, int64 [rows]: see `align`."""
