// http-graceful-shutdown as its README has it ("Basic Usage"): SIGINT is handled by default; `timeout` fits into kill_timeout.
import gracefulShutdown from 'http-graceful-shutdown';
import { createApp, graceMs, port } from './hello.mjs';

const server = createApp().listen(port);
gracefulShutdown(server, { timeout: graceMs });
