// swagger-client on a tenant's swagger.json: node swagger.js EXPLORER_URL. Prints {"name": true | "what went wrong"}.
'use strict';

const assert = require('assert');
const SwaggerClient = require('swagger-client');

const checks = {
  'create': async ({apis}) => {
    const {body} = await apis.Customer.Customer_create({data: {name: 'Eve', age: 5}});
    assert.strictEqual(body.name, 'Eve');
  },
  'find with a filter': async ({apis}) => {
    const filter = JSON.stringify({where: {name: 'Eve'}, limit: 1});
    const {body} = await apis.Customer.Customer_find({filter});
    assert.strictEqual(body.length, 1);
  },
  'find by id, relations and counts': async ({apis}) => {
    const {body: [eve]} = await apis.Customer.Customer_find({filter: JSON.stringify({where: {name: 'Eve'}})});
    const {body: order} = await apis.Customer.Customer_prototype___create__orders({
      id: eve.id,
      data: {item: 'cup'},
    });
    assert.strictEqual(order.customerId, eve.id);
    const {body: orders} = await apis.Customer.Customer_prototype___get__orders({id: eve.id});
    assert.strictEqual(orders.length, 1);
    const {body: {count}} = await apis.Customer.Customer_prototype___count__orders({id: eve.id});
    assert.strictEqual(count, 1);
    const {body: found} = await apis.Customer.Customer_findById({
      id: eve.id,
      filter: JSON.stringify({include: 'orders'}),
    });
    assert.strictEqual(found.orders[0].item, 'cup');
  },
};

(async () => {
  const client = await new SwaggerClient({url: `${process.argv[2]}/swagger.json`});
  const results = {};
  for (const [name, run] of Object.entries(checks)) {
    try {
      await run(client);
      results[name] = true;
    } catch (error) {
      results[name] = String(error.stack || error).slice(0, 600);
    }
  }
  console.log(JSON.stringify(results));
})();
