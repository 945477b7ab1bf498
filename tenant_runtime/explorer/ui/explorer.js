// The explorer's page: Swagger UI on this app's swagger.json, and a box for the access token.
// config.json says where the document is and, in `auth`, how the token is sent ({in, name}).
'use strict';

(async () => {
  const scheme = 'accessToken';
  // Tenants behind one gateway share an origin, so the path is part of the key.
  const key = 'swagger_accessToken:' + location.pathname.replace(/[^/]*$/, '');
  const box = document.getElementById('access-token');
  const state = document.getElementById('token-state');

  const json = async (url) => {
    const answer = await fetch(url, {headers: {accept: 'application/json'}});
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return answer.json();
  };

  const config = await json('config.json');
  const spec = await json(config.url);
  const auth = config.auth || {};
  // swagger.json is what LoopBack makes and names no security; the page adds it for "Authorize".
  spec.securityDefinitions = {
    ...spec.securityDefinitions,
    [scheme]: {type: 'apiKey', in: auth.in || 'query', name: auth.name || 'access_token'},
  };
  spec.security = spec.security || [{[scheme]: []}];

  // LoopBack's document refers to some words without defining them; Swagger UI wants to resolve them.
  const wanted = JSON.stringify(spec).matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g);
  for (const [, name] of wanted) {
    spec.definitions[name] = spec.definitions[name] || {type: name.toLowerCase() === 'text' ? 'string' : 'object'};
  }

  const show = (token) => {
    state.textContent = token ? 'Token set' : 'Token not set';
    state.className = token ? 'set' : '';
  };

  const setToken = (token) => {
    if (token) {
      ui.preauthorizeApiKey(scheme, token);
      localStorage.setItem(key, token);
    } else {
      ui.authActions.logout([scheme]);
      localStorage.removeItem(key);
    }
    show(token);
  };

  const ui = SwaggerUIBundle({
    spec,
    dom_id: '#explorer',
    deepLinking: true,
    docExpansion: 'none',
    tagsSorter: 'alpha',
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    onComplete: () => {
      const stored = localStorage.getItem(key);
      if (stored) {
        box.value = stored;
        setToken(stored);
      }
    },
  });

  document.getElementById('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    setToken(box.value.trim());
  });
})().catch((error) => {
  document.getElementById('explorer').textContent = 'The explorer could not be loaded. ' + error.message;
});
