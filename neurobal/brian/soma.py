"""What a neuron keeps while it is balanced, and the code of one update: sense costs, let the rule decide, move."""

from __future__ import annotations

from neurobal.brian.runner import Sum

# What a neuron keeps: the live sums of its costs, what the rule sees, and its scales.
SOMA = """
raw_in : 1
raw_out : 1
cost_in : 1
cost_out : 1
imbalance : 1
seen_in : 1
seen_out : 1
moves : 1
free : 1
level : 1
step : 1
log_scale : 1
scale : 1
factor : 1
inverse : 1
mismatch : 1
remainder : 1
lead : 1
lag : 1
random_state : integer
uniform : 1
unit : 1 (shared)
total_in : 1 (shared)
total_out : 1 (shared)
total_gap : 1 (shared)
total_free : 1 (shared)
total_imbalance : 1 (shared)
"""

# Park and Miller's generator (1988), in 32-bit arithmetic by Schrage's method: a stream of its own for each neuron.
DRAW = """
random_state = 16807*(random_state % 127773) - 2836*(random_state // 127773)
random_state = random_state + 2147483647*int(random_state < 0)
uniform = random_state/2147483647.0
"""

# A neuron without incoming or outgoing cost does not move, and the rule does not see its zeros (log 0, 0/0).
SENSE = """
cost_in = raw_in*unit
cost_out = raw_out*unit
moves = free*int(cost_in > {faint})*int(cost_out > {faint})
imbalance = (cost_in - cost_out)/(cost_in + cost_out + {faint})
seen_in = cost_in*moves + 1 - moves
seen_out = cost_out*moves + 2*(1 - moves)
raw_in = 0
raw_out = 0
nb_gap = abs(cost_in - cost_out)*free
nb_free = (cost_in + cost_out)*free
nb_in = cost_in
nb_out = cost_out
"""
TOTALS = (
    Sum("nb_in", "total_in"),
    Sum("nb_out", "total_out"),
    Sum("nb_gap", "total_gap"),
    Sum("nb_free", "total_free"),
)

# Rounding errors must not add up. What goes in moves by ``factor``, what goes out by ``inverse``; their product is not
# quite 1, and always in the same way while the step is the same: what is missing is made up for at the next update.
# Steps below √ε round what they move in the same direction again and again: they wait until they are more.
MOVE = """
total_imbalance = total_gap/(total_free + {faint})
remainder = remainder + moves*clip(step, -{most}, {most})
step = remainder*int(abs(remainder) > {least})
remainder = remainder - step
log_scale = log_scale + step
factor = exp(step)
inverse = exp(-step - mismatch)
mismatch = mismatch + log1p(factor - 1.0) + log1p(inverse - 1.0)
scale = scale*factor
"""

# The rule goes its way un-rounded; whole powers of two are emitted when it has clearly left the last one. ``lead``
# and ``lag`` turn stored weights into those that the rule has in mind.
MOVE_DYADIC = """
total_imbalance = total_gap/(total_free + {faint})
step = moves*clip(step, -{most}, {most})
log_scale = log_scale + step
remainder = remainder + step/{quantum}
factor = 2.0**({whole}*floor(remainder + 0.5)*int(abs(remainder) > 0.55))
remainder = remainder - floor(remainder + 0.5)*int(abs(remainder) > 0.55)
inverse = 1.0/factor
scale = scale*factor
lead = exp(remainder*{quantum})
lag = 1.0/lead
"""

FAINT = 1e-30
LEAST = 2e-8  # √ε of double precision
MOST = 20.0  # of one step: a factor of 5e8, more than any sensible rule asks for
