// A process that does nothing but make requests: raw sockets, one request at a time on each, so that it costs little
// and the server is what is busy. Started by `startLoadProcess`, told what to do over IPC.

import { connect } from 'node:net';

/** So many requests to a server on this host. */
export interface Slice {
  port: number;
  requests: number;
  connections: number;
  /** Each request asks for its connection to be closed, as clients without keep-alive do. */
  closing: boolean;
}

export interface SliceResult {
  answered: number;
  failed: number;
  connections: number;
  seconds: number;
}

const END_OF_HEADERS = '\r\n\r\n';
const LENGTH = '\r\nContent-Length: ';
const CLOSES = '\r\nConnection: close';

function runSlice({ port, requests, connections, closing }: Slice): Promise<SliceResult> {
  const text = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: ${closing ? 'close' : 'keep-alive'}\r\n\r\n`;
  const result = { answered: 0, failed: 0, connections: 0, seconds: 0 };
  const began = performance.now();
  let asked = 0;
  let active = 0;
  return new Promise((resolve) => {
    const open = () => {
      active += 1;
      result.connections += 1;
      let received = '';
      let waiting = false;
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      const ask = () => {
        if (asked === requests) {
          socket.destroy();
          return;
        }
        asked += 1;
        waiting = true;
        socket.write(text, 'latin1');
      };
      socket.setEncoding('latin1');
      socket.once('connect', ask);
      socket.on('data', (part: string) => {
        received += part;
        if (!isComplete(received)) return;
        waiting = false;
        if (received.startsWith('HTTP/1.1 200')) result.answered += 1;
        else result.failed += 1;
        const last = received.includes(CLOSES);
        received = '';
        if (!last) ask();
      });
      socket.on('error', () => {});
      socket.once('close', () => {
        active -= 1;
        if (waiting) result.failed += 1;
        if (asked < requests) open();
        else if (active === 0) resolve({ ...result, seconds: (performance.now() - began) / 1000 });
      });
    };
    for (let i = 0; i < connections; i++) open();
  });
}

function isComplete(received: string): boolean {
  const end = received.indexOf(END_OF_HEADERS);
  if (end < 0) return false;
  const at = received.indexOf(LENGTH);
  const length = at < 0 || at > end ? 0 : Number.parseInt(received.slice(at + LENGTH.length), 10);
  return received.length >= end + END_OF_HEADERS.length + length;
}

process.on('message', (slice: Slice) => {
  void runSlice(slice).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());
