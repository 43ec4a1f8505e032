// The import rule of the house: cli -> node -> { api, members, keys, attest, anchor, net } -> base.
// node, members, attest, keys and anchor may import protocols; protocols imports npm packages only;
// testnet uses the built CLI and the public library, nothing inside.
const rooms = ['api', 'members', 'keys', 'attest', 'anchor', 'net']
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'protocols-import-npm-only', severity: 'error', from: { path: '^protocols/' }, to: { path: '^(src|testnet|test)/' } },
    {
      name: 'base-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/base/' },
      to: { path: '^(src/(?!base/)|protocols/|testnet/|test/)' },
    },
    ...rooms.map((room) => ({
      name: `${room}-stays-in-its-room`,
      comment: 'Two rooms never import each other: node/ introduces them through the interfaces they declare.',
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: `^(src/(?!${room}/|base/)|testnet/|test/)` },
    })),
    { name: 'api-and-net-know-no-protocols', severity: 'error', from: { path: '^src/(api|net)/' }, to: { path: '^protocols/' } },
    {
      name: 'node-is-below-cli',
      severity: 'error',
      from: { path: '^src/node/' },
      to: { path: '^(src/(cli|index)|testnet/|test/)' },
    },
    {
      name: 'cli-uses-the-public-library',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^(src/(?!cli/|base/|index\\.ts)|protocols/|testnet/|test/)' },
    },
    {
      name: 'testnet-uses-the-public-library',
      severity: 'error',
      from: { path: '^testnet/' },
      to: { path: '^(src/(?!index\\.ts)|protocols/|test/)' },
    },
    { name: 'nothing-ships-tests', severity: 'error', from: { path: '^(src|protocols|testnet)/' }, to: { path: '^test/' } },
    {
      name: 'only-known-packages',
      severity: 'error',
      // testnet/chaos is not in the built package: like the tests it may use what development brings.
      from: { path: '^(src|protocols|testnet)/', pathNot: '^testnet/chaos/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    // An app of the mesh is somebody else's program, with packages of its own.
    exclude: { path: '^testnet/apps/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
}
