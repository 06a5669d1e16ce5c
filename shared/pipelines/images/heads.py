"""The head alone, on features that the frozen backbone has computed once: an epoch then takes milliseconds."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from shared.pipelines.images.plan import Plan
from shared.pipelines.images.samples import Samples, epoch_order


def train_head(head: nn.Linear, plan: Plan, samples: tuple[Samples, Samples], features: tuple[Tensor, Tensor]) -> None:
    """Train the head in place, on the features of training and validation; it ends with its best weights.

    Features are float32 [n, width] on the CPU, in the samples' order; each is brought to mean 0 and deviation 1 while
    the head learns, which is then folded into its weights.
    """
    train, val = samples
    mean, deviation = features[0].mean(dim=0), features[0].std(dim=0).clamp_min(1e-6)
    scaled = [(part - mean) / deviation for part in features]
    targets = [torch.from_numpy(part.targets) for part in (train, val)]
    smooth = targets[0] * (1 - plan.label_smoothing) + plan.label_smoothing / 2
    weights = torch.from_numpy(train.weights)
    own = nn.Linear(head.in_features, 1)
    nn.init.zeros_(own.weight)
    nn.init.zeros_(own.bias)
    schedule = plan.schedule
    optimizer = torch.optim.AdamW(own.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    best, best_loss = copy.deepcopy(own.state_dict()), math.inf
    for epoch in range(schedule.head_epochs):
        for rows in epoch_order(len(train), schedule.batch_size, plan.seed + epoch):
            places = torch.from_numpy(rows)
            logits = own(scaled[0][places]).squeeze(1)
            loss = binary_cross_entropy_with_logits(logits, smooth[places], weights[places])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
        with torch.no_grad():
            held = binary_cross_entropy_with_logits(own(scaled[1]).squeeze(1), targets[1]).item() if len(val) else 0.0
        if held <= best_loss:
            best, best_loss = copy.deepcopy(own.state_dict()), held
    folded = best["weight"] / deviation
    with torch.no_grad():
        head.weight.copy_(folded)
        head.bias.copy_(best["bias"] - (folded @ mean))
