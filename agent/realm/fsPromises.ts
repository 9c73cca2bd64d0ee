// `node:fs/promises` for the agent, as far as it uses it: the build puts this in its place.
import { promises } from 'node:fs';
import { types } from 'node:util';
import { adopt } from './adopt.ts';

type Function = (...args: never[]) => unknown;

/** The same, except that its methods return promises of this realm. */
function adopted<T extends object>(theirs: T): T {
  return new Proxy(theirs, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: never[]) => {
        const returned = Reflect.apply(value as Function, target, args);
        return types.isPromise(returned) ? adopt(returned) : returned;
      };
    },
  });
}

const own = adopted(promises);
export const { readFile, rename, stat, writeFile } = own;

export const open: typeof promises.open = async (...args) => adopted(await own.open(...args));
