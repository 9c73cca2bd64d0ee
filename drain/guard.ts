// The guards of shared/, under the name that this room knows them by.
export { attempt, guarded, ignoreErrors, subscribe } from '../shared/guard.ts';
