// A gateway of the usual kind in node, http-proxy by first path segment: node gateway.js PORT TARGET_PORT.
'use strict';

const http = require('http');
const httpProxy = require('http-proxy');

const agent = new http.Agent({keepAlive: true});
const proxy = httpProxy.createProxyServer({target: `http://127.0.0.1:${process.argv[3]}`, agent});
proxy.on('error', (error, request, response) => { response.writeHead(502); response.end(); });
http.createServer((request, response) => {
  request.url = request.url.replace(/^\/bench(?=\/)/, '');
  proxy.web(request, response);
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
