// The part of `node:fs/promises` that the agent uses; the build replaces the module by this file.
import { promises } from 'node:fs';
import { types } from 'node:util';
import { adopt } from './adopt.ts';

type Function = (...args: never[]) => unknown;

/** The same object, but its methods return promises of this realm. */
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

type Promised = typeof promises;

// Node compiles its `fs.promises` when it is first asked for, which would hold the app at the moment of attaching.
const own = () => adopted(promises);
export const readFile = ((...args) => own().readFile(...args)) as Promised['readFile'];
export const rename: Promised['rename'] = (...args) => own().rename(...args);
export const stat = ((...args) => own().stat(...args)) as Promised['stat'];
export const writeFile: Promised['writeFile'] = (...args) => own().writeFile(...args);
export const open: Promised['open'] = async (...args) => adopted(await own().open(...args));
