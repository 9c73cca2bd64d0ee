// What a process has written last. A process may write millions of lines a second, so nothing is split or copied that is not kept.
import { appLines } from '../../shared/text/appLines.ts';

/** Characters kept of each stream of a process, and of one write. */
const MOST_CHARACTERS = 8_192;
const MOST_WRITES = 200;

export class WrittenLines {
  readonly #writes: { text: string; at: number }[] = [];
  #characters = 0;

  /** @param at in milliseconds of Date.now() */
  add(text: string, at: number): void {
    // A slice would keep the whole text in memory.
    const kept = text.length > MOST_CHARACTERS ? Buffer.from(text.slice(-MOST_CHARACTERS)).toString() : text;
    this.#writes.push({ text: kept, at });
    this.#characters += kept.length;
    while (this.#writes.length > MOST_WRITES || this.#characters > MOST_CHARACTERS * 2)
      this.#characters -= this.#writes.shift()?.text.length ?? this.#characters;
  }

  /** The last lines that were written from one moment on and before another. */
  lines(from: number, until: number, most: number): string[] {
    const texts = this.#writes.filter(({ at }) => at >= from && at < until).map(({ text }) => text);
    return appLines(texts.join('').slice(-MOST_CHARACTERS)).slice(-most);
  }

  text(): string {
    return this.#writes.map(({ text }) => text).join('');
  }

  /** The last write before a moment. */
  lastBefore(at: number): string {
    return this.#writes.findLast((each) => each.at <= at)?.text ?? '';
  }
}
