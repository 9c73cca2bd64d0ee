// Where the time of this process goes.
import { profileCpu } from '../../diagnostics/cpuProfile.ts';
import type { Actions } from '../context.ts';
import { storeOf } from './store.ts';

export const cpuProfile: Actions['cpu-profile'] = ({ seconds }, context) =>
  profileCpu(storeOf(context.options), { seconds }, context);
