// Package loss builds the weighted categorical cross entropy and its relatives as
// Gorgonia graph nodes. The class weights come from class counts by the schemes of
// package loss/scheme, whose names stand here too.
//
// With y the one-hot target, p = softmax(logits), w the class weights, and a
// void pixel an all-zero y that counts nowhere, a pixel's loss and weight are
//
//	l = -sum_c y_c (1-p_c)^gamma log p_c        (gamma 0: cross entropy; Lin et al. 2017)
//	W = sum_c y_c w_c                           (weight_by: target)
//	W = sum_c p_c w_c                           (weight_by: prediction, a mistake kept to show what it does)
//
// and a batch's loss is sum(W l) / D with D = sum(W), the labelled pixels or the
// images, as loss.reduction says. Soft Dice (Milletari et al. 2016), mixed in
// with share loss.dice, is
//
//	1 - mean_c (2 sum(p_c y_c) + 1) / (sum p_c + sum y_c + 1)
//
// and the Lovász-softmax loss (Berman, Triki and Blaschko 2018), mixed in with share
// loss.lovasz, is the mean over the classes that occur of the Lovász extension of
// 1 - IoU at the errors |y_c - p_c| of the labelled pixels: of a batch in training, the
// mean over the images in an evaluation, which does not depend on the batch size.
//
// All of it is a function of a few sums over pixels. The graph computes the
// sums in one node and the loss from them in another, so that an evaluation can
// add the sums of many batches and divide once.
package loss
