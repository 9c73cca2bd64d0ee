// pm2-ops by the app's own code, as its README has it ("Start a service that leaves well"); no module is needed.
import { startService } from 'pm2-ops/lifecycle';
import { createApp, port } from './hello.mjs';

await startService({ listen: () => createApp().listen(port) });
