// The app of every kind of connection (test/apps/every-stream.cjs) as a service on the lifecycle.
import { startService } from '../../dist/lifecycle.mjs';
import everyStream from '../apps/every-stream.cjs';

const servers = everyStream.serve({ http: 0, h2c: 0, raw: 0 });
await startService({ killTimeoutMs: Number(process.env.KILL_TIMEOUT_MS), listen: () => Object.values(servers) });
const ports = Object.entries(servers).map(([name, server]) => [name, server.address().port]);
console.log(`PORTS ${JSON.stringify(Object.fromEntries(ports))}`);
