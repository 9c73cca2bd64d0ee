// Shows where this process spends its CPU time.
import { profileCpu } from '../../diagnostics/cpuProfile.ts';
import type { Actions } from '../context.ts';
import { storeOf } from './store.ts';

export const cpuProfile: Actions['cpu-profile'] = ({ seconds }, context) =>
  profileCpu(storeOf(context.options), { seconds }, context);
