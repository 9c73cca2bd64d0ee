// What was thrown, as texts of a bounded size. It runs none of the app's code but what an error does for its stack, which whoever prints
// the error asks for as well.
import { types } from 'node:util';

export interface Thrown {
  name: string;
  message: string;
  stack: string;
}

const MOST_OF_MESSAGE = 4_000;
const MOST_OF_STACK = 16_000;

/** Never throws. */
export function described(thrown: unknown): Thrown {
  try {
    if (!types.isNativeError(thrown)) {
      const kind = thrown === null ? 'null' : typeof thrown;
      const isObject = kind === 'object' || kind === 'function';
      return { name: kind, message: isObject ? '' : textOf(thrown, MOST_OF_MESSAGE), stack: '' };
    }
    const { name, message, stack } = thrown;
    return {
      name: typeof name === 'string' ? textOf(name, 200) : 'Error',
      message: typeof message === 'string' ? textOf(message, MOST_OF_MESSAGE) : '',
      stack: typeof stack === 'string' ? textOf(stack, MOST_OF_STACK) : '',
    };
  } catch {
    return { name: 'unknown', message: 'it cannot be read', stack: '' };
  }
}

function textOf(value: unknown, most: number): string {
  const text = String(value);
  return text.length > most ? `${text.slice(0, most)} …` : text;
}
