// The gateway that mtgate replaces: http-proxy without an agent, by the first path segment.
const http = require('http'), httpProxy = require('http-proxy');
const [port, socketPath] = process.argv.slice(2);
const proxy = httpProxy.createProxyServer({});
proxy.on('error', (error, request, response) => { response.writeHead && response.writeHead(502); response.end(); });
http.createServer((request, response) => {
  request.url = request.url.replace(/^\/foo/, '') || '/';
  proxy.web(request, response, { target: { socketPath } });
}).listen(Number(port), '127.0.0.1');
