// The service that the tests of a reload deploy, in good versions and in bad ones.

/** The parts of a reload's answer that tests look at. */
export interface Reloaded {
  ok: boolean;
  code?: string;
  message?: string;
  hint?: string;
  replaced?: { id: number; from: number; to: number; drained: boolean }[];
  notes?: string[];
  logs?: string[];
}

/** A version of the service; the answer of a good one holds its version and pid. */
export interface Deploy {
  version: number;
  /** Before anything else. */
  first?: string;
  /** Instead of listening. */
  instead?: string;
  /** At the end. */
  last?: string;
}

/** Source of a plain service without any care for signals. */
export function service({ version, first = '', instead, last = '' }: Deploy): string {
  return `
    ${first}
    const server = require('node:http').createServer((req, res) => {
      if (req.url === '/health/ready' && ${version} === 66) { res.statusCode = 503; return res.end('not well'); }
      setTimeout(() => res.end('version ${version} pid ' + process.pid), req.url === '/slow' ? 1500 : 5);
    });
    ${instead ?? 'server.listen(process.env.PORT);'}
    ${last}
  `;
}
