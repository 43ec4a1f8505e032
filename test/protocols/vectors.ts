/** The vectors of protocols/, as the specifications link them. */

import challenge from '../../protocols/challenge/vectors.json' with { type: 'json' }
import membership from '../../protocols/membership/vectors.json' with { type: 'json' }
import onboard from '../../protocols/onboard/vectors.json' with { type: 'json' }
import records from '../../protocols/records/vectors.json' with { type: 'json' }
import wire from '../../protocols/wire/vectors.json' with { type: 'json' }

export { challenge, membership, onboard, records, wire }
