// lightship as its README has it ("Using with Express.js"), with PM2's signal. The handler returns when the server has
// closed, because lightship ends the process a second after its handlers; outside Kubernetes its `shutdownDelay` is 0.
import { createLightship } from 'lightship';
import { createApp, graceMs, port } from './hello.mjs';

const lightship = await createLightship({
  signals: ['SIGINT', 'SIGTERM'],
  shutdownHandlerTimeout: graceMs,
  terminate: () => process.exit(0),
});
const server = createApp()
  .listen(port, () => lightship.signalReady())
  .on('error', () => lightship.shutdown());

lightship.registerShutdownHandler(() => new Promise((resolve) => server.close(resolve)));
