// The actions of every managed process, one file each.
import type { ActionName } from '../../contract/actions/index.ts';
import type { Actions } from '../context.ts';
import { eager } from './eager.ts';

/** The implementation of an action; compiles it on first use. @throws when that fails */
export function actionNamed<Name extends ActionName>(name: Name): Actions[Name] {
  return Object.hasOwn(eager, name) ? (eager as Actions)[name] : { ...eager, ...compiled() }[name];
}

/** Loads them by `require`, because the bundle has no `import`. */
function compiled(): typeof import('./lazy.ts')['lazy'] {
  return (require('./lazy.ts') as typeof import('./lazy.ts')).lazy;
}
