// A Node program as a tenant: the gateway hands over the listening socket as descriptor 3.
// mtctl add web --from examples/commands/node
'use strict';

const http = require('http');

const server = http.createServer((request, response) => {
  const prefix = request.headers['x-forwarded-prefix'] || '';
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({hello: 'from Node', path: request.url, prefix}));
});

server.keepAliveTimeout = 75000; // longer than the gateway keeps a connection
server.listen({fd: 3});

// The gateway says TERM after it has moved the traffic away: finish what is in flight.
process.on('SIGTERM', () => server.close(() => process.exit(0)));
