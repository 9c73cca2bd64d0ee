// `pm2-ops attach`: the module's action of that name, for one app, one id, or all.
import { moduleVerb } from '../moduleVerb.ts';

export const attach = moduleVerb('attach', 'Tries again to attach, now.');
