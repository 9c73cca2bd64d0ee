// What most apps do: nothing. It is also what pm2-ops is for: the rows "pm2 reload with pm2-ops" and "pm2-ops reload" run this file.
import { createApp, port } from './hello.mjs';

createApp().listen(port);
