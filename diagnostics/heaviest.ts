// The heaviest places of a profile, so that a reply names them and a person need not open the file.

import type { Place } from '../contract/actions/place.ts';
import { originalsOf, type Position } from '../shared/sourceMaps.ts';
import { type CallFrame, describe, keyOf, ownerOf, placeOf } from './frames.ts';

/** Places that a reply names. */
export const TOP = 10;

/** One function and what it weighs by itself, without what it calls. */
export interface Weight {
  frame: CallFrame;
  /** The nearest caller with a file, of a function that has none (`JSON.parse` and its like). */
  from?: CallFrame;
  value: number;
  /** Weight by line, from 1, where the profiler tells. */
  lines: Map<number, number>;
}

/** Sums up weights by function. */
export class Weights {
  readonly #byPlace = new Map<string, Weight>();

  add(frame: CallFrame, from: CallFrame | undefined, value: number): Weight {
    const native = ownerOf(frame) === 'native' && from !== undefined;
    const key = native ? `${keyOf(frame)}\n${keyOf(from)}` : keyOf(frame);
    let weight = this.#byPlace.get(key);
    if (!weight) {
      weight = { frame, ...(native ? { from } : {}), value: 0, lines: new Map() };
      this.#byPlace.set(key, weight);
    }
    weight.value += value;
    return weight;
  }

  /** The heaviest first. */
  sorted(): Weight[] {
    return [...this.#byPlace.values()].filter(({ value }) => value > 0).sort((a, b) => b.value - a.value);
  }
}

/** Names the places of some weights, with source maps applied. */
export function mapPlaces(weights: Pick<Weight, 'frame' | 'from' | 'lines'>[]): Promise<Place[]> {
  return Promise.all(
    weights.map(async ({ frame, from, lines }) => {
      const place = await mapped(frame);
      const [hot] = [...lines].sort((a, b) => b[1] - a[1])[0] ?? [];
      return {
        ...place,
        // A bundle in one line has no line that is hotter than another.
        ...(hot === undefined || hot === frame.lineNumber + 1 || ownerOf(frame) === 'native'
          ? {}
          : { hotLine: await lineOf(frame, hot) }),
        ...(from === undefined ? {} : { from: describe(await mapped(from)) }),
      };
    }),
  );
}

async function mapped(frame: CallFrame): Promise<Place> {
  const place = placeOf(frame);
  const [original] = await originals(frame, [{ line: frame.lineNumber, column: frame.columnNumber }]);
  return original ? { ...place, ...original, compiled: `${place.file}:${place.line}` } : place;
}

/** A whole line has no column: this is the line that its first code was made from. */
async function lineOf(frame: CallFrame, line: number): Promise<number> {
  const end = { line: line - 1, column: Number.MAX_SAFE_INTEGER };
  const [original] = await originals(frame, [end]);
  return original?.line ?? line;
}

async function originals(frame: CallFrame, positions: Position[]) {
  const owner = ownerOf(frame);
  return owner === 'app' || owner === 'library' ? originalsOf(frame.url, positions) : [];
}
