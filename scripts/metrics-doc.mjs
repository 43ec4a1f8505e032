// Writes docs/metrics.md from the table of series that the registry itself is made from (needs a build). `--check` compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { describeSeries } from '../dist/src/node/metrics/series.js'

const target = 'docs/metrics.md'
const text = `# Metrics

\`GET /metrics\` on the status port, in Prometheus's text format. What is scraped
tells the cluster's id, how many members it has and how busy it is, but no member's address, no peer id and nothing secret. The same
port's \`/status\` names members and addresses: it is on loopback unless you say otherwise, and a proxy can let only \`/metrics\` through.
Scrapes within a second get the same text, so that nobody keeps a node busy by asking.

Every label's values are words of this program, or names that the node's own operator chose. What peers and apps send never becomes a
label; each label takes a bounded number of values, and the rest is counted as \`other\`. \`none\` stands where there is nothing to say.

${describeSeries()}

Besides: libp2p's own series (\`libp2p_…\`: connections, dials, streams and bytes by protocol), and those of the process as prom-client
gives them (\`process_…\`, \`nodejs_…\`: processor time, memory, open files, garbage collection, and the event loop's lag since the
last scrape in \`nodejs_eventloop_lag_p99_seconds\` and its siblings).

[testnet/monitoring](../testnet/monitoring) has alert rules and a Grafana dashboard for all this; what to do at which alert is in
[operating.md](operating.md#alerts). They look for the job \`dstack-mesh\`, with one target for each node:

\`\`\`yaml
rule_files: [alerts.yml]
scrape_configs:
  - job_name: dstack-mesh
    static_configs: [{ targets: ['a.example.org:8091', 'b.example.org:8091'] }]
\`\`\`

A node answers only under names that it was told (\`--status-name a.example.org\`; addresses are always allowed), and beyond loopback only where \`--status-listen\` says so.
`
if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  console.error(`${target} is not what the table of series gives: run npm run docs`)
  process.exit(1)
}
