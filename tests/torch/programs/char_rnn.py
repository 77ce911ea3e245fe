"""Which language is a name from? A character-level recurrent network, as in PyTorch's tutorial."""

import string

import torch
import torch.nn as nn

LETTERS = string.ascii_letters + " .,;'-"
NAMES = {
    "English": ["Abbas", "Baker", "Clarke", "Dunn", "Ellis", "Hughes", "Turner"],
    "Italian": ["Abate", "Bellini", "Conti", "De luca", "Esposito", "Ricci", "Romano"],
    "Japanese": ["Abe", "Hayashi", "Ito", "Kobayashi", "Nakamura", "Sato", "Watanabe"],
    "Irish": ["O'Brien", "O'Neill", "Byrne", "Doherty", "Kavanagh", "Murphy", "Walsh"],
}
CATEGORIES = list(NAMES)


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.i2o = nn.Linear(input_size + hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        output = self.i2o(combined)
        output = self.softmax(output)
        return output, hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, len(LETTERS))
    for li, letter in enumerate(line):
        tensor[li][0][LETTERS.find(letter)] = 1
    return tensor


def category_from_output(output):
    top_n, top_i = output.topk(1)
    category_i = top_i[0].item()
    return CATEGORIES[category_i], category_i


def train(rnn, criterion, category_tensor, line_tensor, learning_rate=0.05):
    hidden = rnn.init_hidden()
    rnn.zero_grad()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


def main():
    rnn = RNN(len(LETTERS), 64, len(CATEGORIES))
    criterion = nn.NLLLoss()
    losses, guessed = [], 0
    for step in range(28):
        category = step % len(CATEGORIES)
        line = NAMES[CATEGORIES[category]][step // len(CATEGORIES)]
        target = torch.tensor([category], dtype=torch.long)
        output, loss = train(rnn, criterion, target, line_to_tensor(line))
        guess, guess_i = category_from_output(output)
        guessed += guess_i == category
        losses.append(loss)
    return [*losses, guessed]


if __name__ == "__main__":
    print(main())
